"""The handlers that the service is measured against, each as small as its kind can be.

| name | what it is |
|---|---|
| `hello-asgi` | bare ASGI on uvicorn, no upstream: what the server itself costs |
| `hello` | FastAPI and pydantic on uvicorn, no upstream: the floor of a cache hit |
| `bare` | FastAPI that calls the Anthropic SDK once, as it comes (httpx2), with a pool of 4,096 and without retries |
| `bare-aiohttp` | FastAPI that posts to the upstream with aiohttp and reads the JSON: no SDK |

All take `POST /chat {"text": …}` and answer `{"answer": …}` like the service. Run as
`python -m loadtests.bench.apps NAME --upstream URL`; prints a ready line like the service's.

Read `subjects.py` next: how they are started and checked.
"""

import argparse
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import anthropic
import httpx2
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

MODEL = "claude-opus-4-7"
MAX_TOKENS = 256
POOL = 4096
BACKLOG = 4096
TIMEOUT_S = 60.0
NO_KEY = "no-key-needed"


class Question(BaseModel):
    """The body of `POST /chat`."""

    text: str


class Answer(BaseModel):
    """The answer's text."""

    answer: str


def hello_asgi(_upstream: str) -> ASGIApp:
    """The same bytes for every request; the body is read and dropped."""
    body = b'{"answer":"hello"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def hello(_upstream: str) -> ASGIApp:
    """A validated body in, a serialised model out."""
    app = FastAPI()

    @app.post("/chat")
    async def chat(question: Question) -> Answer:
        return Answer(answer="hello " + question.text)

    return app


def bare(upstream: str) -> ASGIApp:
    """One SDK call for each request: what most first versions are."""
    limits = httpx2.Limits(max_connections=POOL, max_keepalive_connections=POOL)
    http_client = anthropic.DefaultAsyncHttpxClient(limits=limits, timeout=TIMEOUT_S)
    client = anthropic.AsyncAnthropic(base_url=upstream, api_key=NO_KEY, max_retries=0, http_client=http_client)
    app = FastAPI()

    @app.post("/chat")
    async def chat(question: Question) -> Answer:
        message = await client.messages.create(
            model=MODEL, max_tokens=MAX_TOKENS, messages=[{"role": "user", "content": question.text}]
        )
        return Answer(answer="".join(block.text for block in message.content if block.type == "text"))

    return app


def bare_aiohttp(upstream: str) -> ASGIApp:
    """One POST for each request, by hand: about the least that a Python handler in front of a provider can cost."""
    sessions: list[aiohttp.ClientSession] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        connector, timeout = aiohttp.TCPConnector(limit=POOL), aiohttp.ClientTimeout(TIMEOUT_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            sessions.append(session)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/chat")
    async def chat(question: Question) -> Answer:
        body = {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": question.text}]}
        async with sessions[0].post(f"{upstream}/v1/messages", json=body, headers={"x-api-key": NO_KEY}) as response:
            response.raise_for_status()
            message = await response.json()
        return Answer(answer=message["content"][0]["text"])

    return app


APPS: dict[str, Callable[[str], ASGIApp]] = {
    "hello-asgi": hello_asgi,
    "hello": hello,
    "bare": bare,
    "bare-aiohttp": bare_aiohttp,
}


class _Server(uvicorn.Server):
    """Says on stdout when it serves."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()
            sys.stdout.write(json.dumps({"ready": True, "url": f"http://{host}:{port}"}) + "\n")
            sys.stdout.flush()


def main() -> None:
    """Serve one of the apps on a free loopback port, one worker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(APPS))
    parser.add_argument("--upstream", required=True)
    arguments = parser.parse_args()
    name, upstream = arguments.name, arguments.upstream
    config = uvicorn.Config(
        APPS[name](upstream),
        loop="uvloop",
        http="httptools",
        lifespan="off" if name == "hello-asgi" else "on",
        access_log=False,
        log_level="warning",
        backlog=BACKLOG,
    )
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        _Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
