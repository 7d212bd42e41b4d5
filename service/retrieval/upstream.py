"""One dependency of retrieval over HTTP: a JSON document there, a JSON document back, as one attempt of the request.

It is the innermost step of a chain of retry, breaker and bulkhead, as for payments (``../tracks/refund.py``): numbered
with all other calls of the request, with its tokens and its price in the same books. ``embeddings.py`` and
``rerank.py`` say what is asked and read what comes. Next: ``embeddings.py``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import aiohttp
import orjson

from ..clock import Clock
from ..errors import (
    BadAnswer,
    CallerError,
    ConnectionFailed,
    Misconfigured,
    ProviderError,
    RateLimitedByProvider,
    TimedOut,
    Unavailable,
)
from ..llm.provider import Usage
from ..llm.routes import Route, Rung
from ..llm.sdk import MOST_SAID, retry_hint_s
from ..observability.pii import masked
from ..settings import EmbeddingsSettings, RerankSettings
from ..stages.ask import Ask, Attempt
from ..stages.call import FAIR_SHARE, identity
from ..stages.chain import Next
from ..stages.reply import Reply

T = TypeVar("T")
Price = Callable[[Usage], int | None]
"""Nano-USD; None where no price is known."""
MOST_ANSWER_BYTES = 32 * 1024 * 1024
"""Of an answer that is read at all: a batch of 128 vectors of 4,096 numbers has 12 MB as JSON."""
CONNECTIONS = 256


@dataclass(slots=True)
class Errand(Generic[T]):
    """What is asked of a dependency, and how its answer is read.

    ``read`` raises ValueError, KeyError, TypeError or IndexError for what is no answer. ``most_tokens`` is more than
    any tokeniser makes of what is asked. ``timeout_s`` is for one call and for its connection, instead of the
    dependency's own two. ``result`` is set by the call that succeeds.
    """

    body: dict[str, Any]
    read: Callable[[Any], T]
    most_tokens: int
    timeout_s: float | None = None
    result: T | None = None


class Upstream:
    """The call to one dependency. ``price`` is that of its tokens."""

    def __init__(
        self,
        name: str,
        settings: EmbeddingsSettings | RerankSettings,
        *,
        path: str,
        api_key: str,
        price: Price,
        hint_max_s: float,
        clock: Clock,
    ) -> None:
        self.name = name
        self.model = settings.model
        self._url = f"{settings.base_url}{path}"
        self._timeout_s = settings.timeout_s
        self._connect_timeout_s = settings.connect_timeout_s
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        self._price = price
        self._hint_max_s = hint_max_s
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    def ask_for(self, ask: Ask, errand: Errand[T], until_s: float) -> Ask:
        """A question to this dependency within ``ask``: its attempts, decisions and passages are those of the request.

        ``until_s`` is its deadline on the clock's monotonic scale.
        """
        return within(ask, self.name, self.model, until_s, errand)

    async def __call__(self, ask: Ask) -> Reply:
        """One attempt. Raises errors of our tree; none of them is the caller's fault."""
        errand: Errand[Any] = ask.payload
        attempt = ask.attempt()
        timeout_s = errand.timeout_s or self._timeout_s
        limit_s = min(ask.deadline_s, attempt.started_s + timeout_s)
        attempt.status = "cancelled"
        try:
            attempt.usage = await self._call(ask, attempt, errand, limit_s)
            attempt.status, attempt.upstream_status, attempt.exact = "ok", 200, True
        except (ProviderError, CallerError) as error:
            attempt.status, attempt.upstream_status = error.code, error.upstream_status
            attempt.usage = error.usage or attempt.usage
            attempt.exact = error.usage is not None or error.upstream_status not in (None, 200)
            raise
        finally:
            attempt.duration_s = self._clock.monotonic() - attempt.started_s
            attempt.cost_nano_usd = self._price(attempt.usage)
            if not attempt.exact:
                attempt.most_nano_usd = self._price(Usage(errand.most_tokens))
            ask.report(
                "call",
                attempt.status,
                provider=self.name,
                model=self.model,
                attempt=attempt.number,
                duration_ms=round(attempt.duration_s * 1000, 1),
            )
        return Reply(source="live", provider=self.name, model=self.model, text="")

    async def _call(self, ask: Ask, attempt: Attempt, errand: Errand[Any], limit_s: float) -> Usage:
        headers = {**self._headers, **identity(ask, attempt)}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=errand.timeout_s or self._connect_timeout_s)
        try:
            async with (
                self._clock.timeout_at(limit_s),
                self._connected().post(
                    self._url, data=orjson.dumps(errand.body), headers=headers, timeout=timeout
                ) as response,
            ):
                text = await response.content.read(MOST_ANSWER_BYTES)
                while not response.content.at_eof():
                    text += await response.content.read(MOST_ANSWER_BYTES)
                    if len(text) > MOST_ANSWER_BYTES:
                        raise self._bad(f"more than {MOST_ANSWER_BYTES} bytes")
        except TimeoutError:
            late = TimedOut(f"{self.name} gave no answer in time", provider=self.name, phase="total")
            late.counts = limit_s - attempt.started_s >= FAIR_SHARE * (errand.timeout_s or self._timeout_s)
            raise late from None
        except (aiohttp.ClientError, OSError) as error:
            said = masked(str(error)[:MOST_SAID]) or type(error).__name__
            raise ConnectionFailed(f"{self.name} could not be reached: {said}", provider=self.name) from None
        if response.status != HTTPStatus.OK:
            raise self._refused(response, text)
        return self._read(errand, text)

    def _read(self, errand: Errand[Any], text: bytes) -> Usage:
        usage: Usage | None = None
        try:
            answer = orjson.loads(text)
            usage = _usage(answer)
            errand.result = errand.read(answer)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise self._bad(str(error) if isinstance(error, BadShape) else "what is no answer", usage) from None
        return usage

    def _bad(self, what: str, usage: Usage | None = None) -> BadAnswer:
        error = BadAnswer(f"{self.name} answered 200 with {what}", provider=self.name, upstream_status=200)
        error.usage = usage
        return error

    def _refused(self, response: aiohttp.ClientResponse, text: bytes) -> ProviderError:
        """What a status that is not 200 means: never that the caller asked wrongly, for we made the question."""
        status = response.status
        try:
            detail = orjson.loads(text)["error"]["message"]
        except (ValueError, KeyError, TypeError):
            detail = ""
        said = f"{self.name} answered {status}{f': {masked(str(detail)[:MOST_SAID])}' if detail else ''}"
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            hint_s = retry_hint_s(response.headers, now_s=self._clock.time(), max_s=self._hint_max_s)
            return RateLimitedByProvider(said, provider=self.name, upstream_status=status, retry_after_s=hint_s)
        if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unavailable(said, provider=self.name, upstream_status=status)
        return Misconfigured(said, provider=self.name, upstream_status=status)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS), trust_env=False)
        return self._session

    async def aclose(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()


def within(ask: Ask, name: str, model: str, until_s: float, payload: object = None) -> Ask:
    """A question to the dependency ``name`` within ``ask``, whose attempts, decisions and passages it shares."""
    inner = Ask(
        request_id=ask.request_id,
        tenant=ask.tenant,
        user=ask.user,
        route=Route(name, (Rung(name, model),), "error", until_s - ask.started_s, 1),
        messages=(),
        clock=ask.clock,
        started_s=ask.started_s,
        deadline_s=until_s,
        off=ask.off,
        traceparent=ask.traceparent,
        payload=payload,
        attempts=ask.attempts,
        path=ask.path,
        entered=ask.entered,
    )
    inner.inside = ask.inside
    return inner


class BadShape(ValueError):
    """An answer that is not what was asked for; the message says in what."""


async def run(upstream: Upstream, chain: Next, ask: Ask, errand: Errand[T], until_s: float) -> T:
    """The errand's result, through the dependency's chain. Raises ProviderError."""
    reply = await chain(upstream.ask_for(ask, errand, until_s))
    reply.end("whole")
    if errand.result is None:
        raise AssertionError(f"{upstream.name} gave a reply without a result")
    return errand.result


def _usage(answer: Any) -> Usage:
    """As stated, in OpenAI's form or in the plain one; servers of one's own may state none."""
    stated = answer.get("usage") or {}
    return Usage.stated(stated.get("prompt_tokens") or stated.get("total_tokens") or 0, 0)
