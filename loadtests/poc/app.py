"""The one-liner as a server, in both forms. Section 1 of the chapter: what breaks the moment two users call at once.

The Anthropic SDK keeps its defaults: 600 s, two retries of its own. Nothing streams: the events come when all is over.
What the provider throws becomes FastAPI's plain 500, and an answer is not looked at: a cut or empty one passes as good.

The caller's X-Request-ID goes to the provider, so the simulator's ledger can be joined; X-Attempt does not, so that the
ledger counts the SDK's retries (`x-stainless-retry-count`). The key is none: no real provider would take it.

Read `processes.py` next: what runs it.
"""

import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anthropic
import anyio.to_thread
from fastapi import FastAPI, Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from .settings import Poc

MODEL = "claude-opus-4-7"
MAX_TOKENS = 1024
NO_KEY = "no-key-needed"

RequestId = Annotated[str | None, Header(alias="x-request-id")]


class Question(BaseModel):
    """The body of both chat endpoints; what else the service would take is ignored."""

    text: str


def asker(poc: Poc) -> Callable[[Question, str | None], dict[str, Any]]:
    """Return the one-liner: it blocks its thread until the provider has answered, and returns the service's answer."""
    client = anthropic.Anthropic(
        base_url=poc.upstream,
        api_key=NO_KEY,
        timeout=anthropic.not_given if poc.timeout_s is None else poc.timeout_s,
        max_retries=anthropic.DEFAULT_MAX_RETRIES if poc.max_retries is None else poc.max_retries,
        http_client=anthropic.DefaultHttpxClient(trust_env=False),  # the SDK's limits, without the system's proxies
        open_telemetry=False,
    )

    def ask(question: Question, given: str | None) -> dict[str, Any]:
        request_id = _request_id(given)
        message = client.messages.create(
            model=MODEL,
            max_tokens=MAX_TOKENS,
            messages=[{"role": "user", "content": question.text}],
            extra_headers={"X-Request-ID": request_id},
        )
        return {
            "answer": "".join(block.text for block in message.content if block.type == "text"),
            "thread_id": None,
            "source": "live",
            "degraded": [],
            "provider": "anthropic",
            "model": message.model,
            "usage": {"input_tokens": message.usage.input_tokens, "output_tokens": message.usage.output_tokens},
            "cost_usd": None,
            "ignored": [],
            "request_id": request_id,
        }

    return ask


def _request_id(given: str | None) -> str:
    """The caller's own when it is a UUID, as the service has it, else a new one."""
    try:
        return str(uuid.UUID(given or ""))
    except ValueError:
        return str(uuid.uuid4())


def _events(answer: dict[str, Any]) -> Response:
    """The whole answer as the events of a stream, all at once."""
    told = (("delta", {"text": answer["answer"]}), ("done", answer))
    content = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in told)
    return Response(content, media_type="text/event-stream")


class Money(BaseModel):
    """The body of a refund."""

    charge: str
    amount: int
    currency: str


def payer(payments: str) -> Callable[[Money, str | None], dict[str, Any]]:
    """Return the refund as one writes it first: the money moves as often as somebody presses the button."""
    client = anthropic.DefaultHttpxClient(trust_env=False)

    def pay(money: Money, given: str | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {NO_KEY}", "X-Request-ID": _request_id(given)}
        answer = client.post(f"{payments}/v1/refunds", json=money.model_dump(), headers=headers)
        answer.raise_for_status()
        paid: dict[str, Any] = answer.json()
        return {"charge": money.charge, **{name: paid.get(name) for name in ("id", "amount", "currency", "status")}}

    return pay


def build(poc: Poc) -> FastAPI:
    """Return the app in its form."""
    ask = asker(poc)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = poc.workers
        yield

    app = FastAPI(lifespan=lifespan)

    if poc.form == "sync":

        @app.post("/chat")
        def chat(question: Question, request_id: RequestId = None) -> Response:
            return JSONResponse(ask(question, request_id))

        @app.post("/chat/stream")
        def stream(question: Question, request_id: RequestId = None) -> Response:
            return _events(ask(question, request_id))
    else:

        @app.post("/chat")
        async def blocking_chat(question: Question, request_id: RequestId = None) -> Response:
            return JSONResponse(ask(question, request_id))

        @app.post("/chat/stream")
        async def blocking_stream(question: Question, request_id: RequestId = None) -> Response:
            return _events(ask(question, request_id))

    if poc.payments is not None:
        pay = payer(poc.payments)

        @app.post("/refund")
        def refund(money: Money, request_id: RequestId = None) -> Response:
            return JSONResponse(pay(money, request_id))

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ready", "profile": "workbench"}

    return app
