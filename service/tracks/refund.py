"""A side effect that must happen once: ``POST /refund``, through retry, breaker and bulkhead to the payments provider.

The key that goes downstream is a hash of caller and Idempotency-Key, so that whoever repeats the call, after whatever
crash, moves the money once. 2xx and final declines are stored; anything ambiguous frees the key. Chapter, section 5.
Next: ``../sessions/idempotency.py``.
"""

from typing import Any

import aiohttp
import orjson
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from ..clock import Clock
from ..errors import (
    BadAnswer,
    BadRequest,
    CallerError,
    ConnectionFailed,
    Declined,
    InvalidRequest,
    Misconfigured,
    ProviderError,
    RateLimitedByProvider,
    Rejected,
    TimedOut,
    Unavailable,
)
from ..gateway.body import Strict, read
from ..gateway.context import Context, context_of
from ..gateway.document import takes
from ..llm.routes import Route, Rung
from ..llm.sdk import MOST_SAID, retry_hint_s
from ..observability.pii import masked
from ..sessions.idempotency import Idempotency, Outcome
from ..settings import PAYMENTS, PaymentsSettings
from ..stages.ask import Ask, Attempt
from ..stages.call import FAIR_SHARE, identity
from ..stages.chain import Next
from ..stages.reply import Reply
from ..stages.switches import Switches


class RefundRequest(Strict):
    """Amount in minor units (cents)."""

    charge: str = Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_-]+$")
    amount: int = Field(ge=1, le=100_000_000)
    currency: str = Field("usd", pattern=r"^[a-z]{3}$")


class Payments:
    """The call to the payments provider: the innermost step of its chain."""

    def __init__(self, settings: PaymentsSettings, *, api_key: str, hint_max_s: float, clock: Clock) -> None:
        self._url = f"{settings.base_url}/v1/refunds"
        self._connect_timeout_s = settings.connect_timeout_s
        self._deadline_s = settings.deadline_s
        self._authorization = f"Bearer {api_key}"
        self._hint_max_s = hint_max_s
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, ask: Ask) -> Reply:
        """One attempt; ``ask.payload`` is the downstream key and the body. Raises errors of our tree."""
        key, body = ask.payload
        attempt = ask.attempt()
        attempt.exact = True  # what moves here is in the charges, not in tokens
        headers = {
            "Authorization": self._authorization,
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            **identity(ask, attempt),
        }
        # A rung's share of the deadline, so that a hang leaves time for another attempt with the same key.
        limit_s = min(ask.deadline_s, attempt.started_s + self._deadline_s / 3)
        attempt.status = "cancelled"
        try:
            reply = await self._call(attempt, limit_s, body, headers)
        except (ProviderError, CallerError) as error:
            attempt.status, attempt.upstream_status = error.code, error.upstream_status
            raise
        finally:
            attempt.duration_s = self._clock.monotonic() - attempt.started_s
        attempt.status, attempt.upstream_status = "ok", 200
        return reply

    async def _call(self, attempt: Attempt, limit_s: float, body: bytes, headers: dict[str, str]) -> Reply:
        try:
            async with (
                self._clock.timeout_at(limit_s),
                self._connected().post(self._url, data=body, headers=headers) as response,
            ):
                text = await response.read()
        except TimeoutError:
            late = TimedOut("the payments provider did not answer in time", provider=PAYMENTS, phase="total")
            late.counts = limit_s - attempt.started_s >= FAIR_SHARE * self._deadline_s
            raise late from None
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionFailed(
                f"the payments provider could not be reached: {masked(str(error)) or type(error).__name__}",
                provider=PAYMENTS,
            ) from None
        return self._judge(response, text)

    def _judge(self, response: aiohttp.ClientResponse, text: bytes) -> Reply:
        status = response.status
        try:
            answer = orjson.loads(text)
            detail = answer.get("error", {}).get("message", "") if isinstance(answer, dict) else ""
        except (ValueError, AttributeError):
            answer, detail = None, ""
        # Masked where it enters our errors: a final decline is kept for its replays, any other may be logged.
        said = f"the payments provider answered {status}{f': {masked(str(detail)[:MOST_SAID])}' if detail else ''}"
        if 200 <= status < 300:
            if not isinstance(answer, dict) or "id" not in answer:
                raise BadAnswer(f"{said} with a body that is no refund", provider=PAYMENTS, upstream_status=status)
            return Reply(source="live", provider=PAYMENTS, model=None, text=text.decode())
        if status == 402:
            raise _refused(Declined(said), status)
        if status == 429:
            hint_s = retry_hint_s(response.headers, now_s=self._clock.time(), max_s=self._hint_max_s)
            raise RateLimitedByProvider(said, provider=PAYMENTS, upstream_status=status, retry_after_s=hint_s)
        if status in (401, 403):
            raise Misconfigured(said, provider=PAYMENTS, upstream_status=status)
        if status in (409, 423, 425):  # another attempt with this key is under way: it may yet move the money
            busy = Unavailable(said, provider=PAYMENTS, upstream_status=status)
            busy.counts = False
            raise busy
        if status == 408 or status >= 500:
            raise Unavailable(said, provider=PAYMENTS, upstream_status=status)
        raise _refused(InvalidRequest(said), status)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s)
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256), timeout=timeout)
        return self._session

    async def aclose(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()


class Refund:
    """The endpoint."""

    def __init__(
        self,
        chain: Next,
        *,
        idempotency: Idempotency,
        switches: Switches,
        clock: Clock,
        deadline_s: float,
        body_max_bytes: int,
    ) -> None:
        self._chain = chain
        self._idempotency = idempotency
        self._switches = switches
        self._clock = clock
        self._body_max_bytes = body_max_bytes
        self._route = Route(PAYMENTS, (Rung(PAYMENTS, "refund"),), "error", deadline_s, 1)
        self.router = APIRouter(tags=["payments"])
        self.router.add_api_route(
            "/refund", self.refund, methods=["POST"], openapi_extra=takes(RefundRequest, "Idempotency-Key")
        )

    async def refund(self, request: Request) -> Response:
        """Refund a charge once, however often this is asked with one Idempotency-Key."""
        asked = await read(request, RefundRequest, most_bytes=self._body_max_bytes)
        context = context_of(request.scope)
        body = orjson.dumps(asked.model_dump(), option=orjson.OPT_SORT_KEYS)

        async def effect(key: str) -> Outcome:
            allowed_s = self._route.deadline_s
            if context.deadline_ms is not None:
                allowed_s = min(allowed_s, context.deadline_ms / 1000)
            ask = Ask(
                request_id=context.request_id,
                tenant=context.caller.tenant,
                user=context.caller.user,
                route=self._route,
                messages=(),
                clock=self._clock,
                started_s=context.started_s,
                deadline_s=self._clock.monotonic() + allowed_s,
                off=self._switches.off,
                traceparent=context.traceparent,
                payload=(key, body),
            )
            context.ask, context.charge_key = ask, key
            return await self._settled(context, ask)

        keys = set(request.headers.getlist("idempotency-key"))
        if len(keys) > 1:
            raise BadRequest("there are several Idempotency-Key headers; send the one of this operation")
        key = keys.pop() if keys else None
        caller = context.caller
        outcome = await self._idempotency.once(caller.tenant, caller.user, key, body, effect)
        context.replayed = outcome.replayed
        headers = {"Idempotency-Replayed": "true"} if outcome.replayed else {}
        kind = "application/json" if outcome.status < 400 else "application/problem+json"
        shown = outcome.body
        if outcome.status >= 400:
            context.error = orjson.loads(shown)["code"]
        if outcome.status == 200:  # the charge's name is the caller's word, and not kept: whoever replays says it again
            shown = orjson.dumps({"charge": asked.charge, **orjson.loads(shown)})
        return Response(shown, status_code=outcome.status, media_type=kind, headers=headers)

    async def _settled(self, context: Context, ask: Ask) -> Outcome:
        """The provider's word as we store it: a refund, or a final decline."""
        try:
            reply = await self._chain(ask)
        except (Declined, InvalidRequest) as error:
            return Outcome(error.status, orjson.dumps(_final(error)))
        context.reply = reply
        reply.end("whole")
        answer: dict[str, Any] = orjson.loads(reply.text or "{}")
        kept = {name: answer.get(name) for name in ("id", "amount", "currency", "status")}
        return Outcome(200, orjson.dumps(kept))


def _refused(error: Rejected, status: int) -> Rejected:
    error.upstream_status = status
    return error


def _final(error: Declined | InvalidRequest) -> dict[str, Any]:
    """A decline as it is stored: without a request id, since its replays belong to other requests."""
    return {
        "type": f"urn:gauntlet:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.message,
    }
