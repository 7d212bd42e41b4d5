"""What both vendors' SDKs have in common: the transport, and the way from their errors to ours.

The SDKs' own ``post`` does authentication, headers and error classes; building their pydantic models would double the
cost of a call (``docs/adr/0004``), so answers are read as plain JSON here. Retries of the SDKs are off: they would
multiply with ours and sleep for hours on a hostile Retry-After. What each fault looks like through an SDK is listed in
the reference notes; a test per fault holds it. A provider's words may repeat the prompt's: they are masked where they
enter an error of ours, which may be logged, and the SDK's error is not kept as its cause. Next: ``stream.py``.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any, cast

import httpx2
import orjson

from ..clock import Clock
from ..errors import (
    BadAnswer,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    GauntletError,
    InvalidRequest,
    Misconfigured,
    RateLimitedByProvider,
    Rejected,
    RequestTooLarge,
    StreamBroken,
    TimedOut,
    Unavailable,
)
from ..observability.pii import masked
from ..settings import ProviderSettings
from .provider import Usage

Json = dict[str, Any]
MOST_SAID = 2000
"""Characters of a provider's words that are passed on; masking more would take the event loop's time."""
_NO_MONEY = frozenset({"insufficient_quota", "enforced_spend_limit_reached", "billing_hard_limit_reached"})
_CONTEXT = ("context_length", "prompt is too long", "context window", "maximum context length")
_FILTER = ("content_filter", "content_policy", "content filter", "content filtering", "content policy")


def aiohttp_client(sdk: ModuleType, settings: ProviderSettings) -> httpx2.AsyncClient:
    """The SDK's aiohttp transport: half the cost of its default; its pool as large as the service's concurrency.

    Only connecting is timed here; first token, silence and total are timed by the call stage, under one deadline.
    """
    limits = httpx2.Limits(max_connections=settings.max_connections, max_keepalive_connections=settings.max_connections)
    timeout = httpx2.Timeout(settings.stream_total_timeout_s * 2, connect=settings.connect_timeout_s)
    return cast(httpx2.AsyncClient, sdk.DefaultAioHttpClient(limits=limits, timeout=timeout))


class Wire:
    """One vendor's API over its SDK: posts JSON, answers JSON or a stream of JSON events, raises our errors.

    ``client`` is an AsyncAnthropic or AsyncOpenAI: the two share ``post``, but no type that says so.
    """

    def __init__(self, name: str, sdk: ModuleType, client: Any, path: str, *, hint_max_s: float, clock: Clock) -> None:
        self.name = name
        self._sdk = sdk
        self._client = client
        self._path = path
        self._hint_max_s = hint_max_s
        self._clock = clock

    async def post(self, body: Json, headers: dict[str, str]) -> Json:
        """The answer of a non-streamed call, as JSON."""
        try:
            response: httpx2.Response = await self._client.post(
                self._path, body=body, options={"headers": headers}, cast_to=httpx2.Response
            )
        except Exception as error:  # noqa: BLE001 - what is not the SDK's is raised as it is
            raise self.translate(error) from None
        try:
            answer = orjson.loads(response.content)
        except ValueError:
            raise self.bad_answer("200 with a body that is not JSON") from None
        if not isinstance(answer, dict):
            raise self.bad_answer("200 with JSON that is no object")
        return answer

    async def open(self, body: Json, headers: dict[str, str]) -> Any:
        """The SDK's stream of plain JSON events, once its headers are there."""
        try:
            return await self._client.post(
                self._path,
                body=body,
                options={"headers": headers},
                cast_to=object,
                stream=True,
                stream_cls=self._sdk.AsyncStream[object],
            )
        except Exception as error:  # noqa: BLE001 - what is not the SDK's is raised as it is
            raise self.translate(error) from None

    async def aclose(self) -> None:
        """End the connections."""
        await self._client.close()

    def bad_answer(self, what: str, usage: Usage | None = None) -> BadAnswer:
        """A 200 that is no answer, though ``usage`` may be billed for it."""
        error = BadAnswer(f"{self.name} answered {what}", provider=self.name, upstream_status=200)
        error.usage = usage
        return error

    def filtered(self, usage: Usage | None = None) -> ContentFiltered:
        """A 200 whose finish reason is the content policy."""
        error = ContentFiltered(f"refused by the content policy of {self.name}")
        error.usage, error.upstream_status = usage, 200
        return error

    def broken(self, what: str) -> StreamBroken:
        """A stream that will not become an answer."""
        return StreamBroken(f"the stream of {self.name} {what}", provider=self.name, upstream_status=200)

    def translate(self, error: Exception, *, in_stream: bool = False) -> Exception:
        """The error of our tree for one of the SDK's; errors that are not the SDK's come back as they are."""
        sdk = self._sdk
        if isinstance(error, GauntletError):
            return error
        if isinstance(error, sdk.APITimeoutError | httpx2.TimeoutException | TimeoutError):
            phase = "connect" if isinstance(error.__cause__ or error, httpx2.ConnectTimeout) else "read"
            return TimedOut(f"{self.name} did not answer in time ({phase})", provider=self.name, phase=phase)
        if in_stream and isinstance(error, sdk.APIError | httpx2.HTTPError | ValueError):
            return self.broken(f"failed: {_text(error)}")
        if isinstance(error, sdk.APIStatusError):
            return self._status_error(cast(Any, error))
        if isinstance(error, sdk.APIConnectionError | httpx2.HTTPError | OSError):
            cause = error.__cause__ or error
            return ConnectionFailed(f"{self.name} could not be reached: {_text(cause)}", provider=self.name)
        if isinstance(error, ValueError):
            return self.bad_answer("200 with a body that cannot be read")
        return error

    def _status_error(self, error: Any) -> Exception:
        status: int = error.status_code
        details = _details(error.body)
        message = masked(str(details.get("message") or f"status {status}")[:MOST_SAID])
        words = f"{details.get('code')} {details.get('type')} {message}".lower()
        name = self.name
        retryable = error.response.headers.get("x-should-retry") != "false"
        if status == 429:
            inner = details.get("details")  # an object from Anthropic, a list from others
            codes = [
                details.get("code"),
                details.get("type"),
                inner.get("error_code") if isinstance(inner, dict) else "",
            ]
            if _NO_MONEY.intersection(map(str, codes)):
                return Misconfigured(f"{name}: {message}", provider=name, upstream_status=status)
            hint_s = retry_hint_s(error.response.headers, now_s=self._clock.time(), max_s=self._hint_max_s)
            limited = RateLimitedByProvider(
                f"{name}: {message}", provider=name, upstream_status=status, retry_after_s=hint_s
            )
            limited.retryable = retryable
            return limited
        if status == 408 or status >= 500:
            failure = Unavailable(f"{name} answered {status}: {message}", provider=name, upstream_status=status)
            failure.retryable = retryable
            return failure
        if status in (401, 402, 403, 404):
            return Misconfigured(f"{name} answered {status}: {message}", provider=name, upstream_status=status)
        rejected: Rejected
        if status == 413:
            rejected = RequestTooLarge(f"{name} takes no request this large: {message}")
        elif any(word in words for word in _CONTEXT):
            rejected = ContextTooLong(f"more than the model of {name} can read: {message}")
        elif any(word in words for word in _FILTER):
            rejected = ContentFiltered(f"refused by the content policy of {name}: {message}")
        else:
            rejected = InvalidRequest(f"{name} calls the request invalid: {message}")
        rejected.upstream_status = status
        return rejected


def retry_hint_s(headers: Mapping[str, str], *, now_s: float, max_s: float) -> float | None:
    """Seconds to wait, from ``retry-after-ms`` or ``retry-after`` (seconds or HTTP date); None when absent or absurd.

    Negative, unreadable or longer than ``max_s`` is absurd (RFC 9110, section 10.2.3, sets no bound).
    """
    try:
        if milliseconds := headers.get("retry-after-ms"):
            hint_s = float(milliseconds) / 1000
        elif text := headers.get("retry-after"):
            try:
                hint_s = float(text)
            except ValueError:
                hint_s = parsedate_to_datetime(text).timestamp() - now_s
        else:
            return None
    except (ValueError, TypeError):
        return None
    return hint_s if 0 < hint_s <= max_s else None


def _details(body: object) -> Json:
    """The vendor's error object: the SDKs hand back either the whole body or its ``error`` member."""
    if not isinstance(body, dict):
        return {}
    inner = body.get("error", body)
    return inner if isinstance(inner, dict) else {}


def _text(error: BaseException) -> str:
    return masked(str(error)[:MOST_SAID]) or type(error).__name__
