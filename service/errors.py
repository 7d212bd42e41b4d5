"""Every error of the service, with its HTTP status, whose fault it is, and whether a retry can help.

    GauntletError
    ├── CallerError                 the caller's: passes through at once, once
    │   ├── BadRequest 400, Unauthorized 401, Forbidden 403, NotFound 404, MethodNotAllowed 405
    │   ├── SentTooSlowly 408, Conflict 409, BodyTooLarge 413, Unprocessable 422
    │   ├── RateLimited 429         our own token buckets
    │   ├── BudgetExhausted 402     of the tenant, for today; or BudgetExhaustedToday 429, by setting
    │   └── Rejected                a provider refused this very request
    │       └── InvalidRequest 400, ContextTooLong 400, ContentFiltered 400, RequestTooLarge 413, Declined 402
    ├── ProviderError               counted by the breaker unless said otherwise
    │   ├── Misconfigured 502       ours: key, billing, model name; next rung, logged, not counted
    │   ├── RateLimitedByProvider   429: a pause, not a failure; not counted
    │   ├── Unavailable             408, 5xx
    │   ├── ConnectionFailed        refused, reset before the answer
    │   ├── TimedOut                connect, first token, idle, total
    │   ├── BadAnswer               a 200 that is no answer
    │   ├── StreamBroken            failed after the stream was opened
    │   └── NotCalled               we did not call: CircuitOpen, Paused, BulkheadFull
    ├── AllRungsFailed 503, AllMisconfigured 502, DeadlineExceeded 504
    ├── Overloaded 503              back-pressure
    └── StoreUnavailable 503        Redis is away and the endpoint may not go on without it

Chapter, sections 5 and 6 (retry 5xx, 429 and timeouts only; never a blind retry). Next: ``stages/ask.py``.
"""

from typing import Any, ClassVar


class GauntletError(Exception):
    """Root. ``message`` says what was wrong, what was expected and what to do.

    ``code`` is the stable machine name (used in ``degraded``, decisions and problem types); ``status`` the HTTP
    status; ``retry_after_s`` becomes ``Retry-After``; ``extra`` goes into the problem document; ``headers``, set by who
    raises, go out with it.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    usage: Any = None
    """Tokens (``llm.provider.Usage``) that a provider stated, and so bills, although the call failed."""
    upstream_status: int | None = None
    """What came over the wire from a provider, if anything."""

    def __init__(self, message: str, *, retry_after_s: float | None = None, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        self.extra = extra
        self.headers: dict[str, str] = {}


class CallerError(GauntletError):
    """The caller's fault: tell them at once, once."""

    status, code, title = 400, "bad_request", "Bad request"


class BadRequest(CallerError):
    """The request could not be read."""


class Unauthorized(CallerError):
    """No key, or one we do not know."""

    status, code, title = 401, "unauthorized", "Unauthorized"


class Forbidden(CallerError):
    """A known key that may not do this."""

    status, code, title = 403, "forbidden", "Forbidden"


class NotFound(CallerError):
    """No such thing, or not yours."""

    status, code, title = 404, "not_found", "Not found"


class MethodNotAllowed(CallerError):
    """The path exists, the method does not."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"


class SentTooSlowly(CallerError):
    """The body did not arrive in time."""

    status, code, title = 408, "sent_too_slowly", "Request timeout"


class Conflict(CallerError):
    """Somebody else holds what this request needs; later it may work."""

    status, code, title = 409, "conflict", "Conflict"


class BodyTooLarge(CallerError):
    """More bytes than the service takes."""

    status, code, title = 413, "body_too_large", "Body too large"


class Unprocessable(CallerError):
    """Readable, but not what the endpoint takes."""

    status, code, title = 422, "unprocessable", "Unprocessable content"


class RateLimited(CallerError):
    """One of the caller's token buckets is empty."""

    status, code, title = 429, "rate_limited", "Too many requests"


class BudgetExhausted(CallerError):
    """The tenant's budget of today is spent. 402: no client tries again by itself."""

    status, code, title = 402, "budget_exhausted", "Budget exhausted"


class BudgetExhaustedToday(BudgetExhausted):
    """The same as a 429, for clients that wait: Retry-After says when the next day begins."""

    status = 429


class Rejected(CallerError):
    """A provider refused this very request: no other attempt can do better."""

    code, title = "rejected", "Rejected by the provider"


class InvalidRequest(Rejected):
    """The provider calls the request malformed."""

    code = "invalid_request"


class ContextTooLong(Rejected):
    """More tokens than the model reads; a rung with a larger context may take it."""

    code, title = "context_too_long", "Context too long"


class ContentFiltered(Rejected):
    """The provider's policy refuses the content."""

    code, title = "content_filtered", "Content filtered"


class RequestTooLarge(Rejected):
    """More bytes than the provider reads."""

    status, code, title = 413, "request_too_large", "Request too large"


class Declined(Rejected):
    """A final refusal by the payments provider: stored and replayed, never tried again."""

    status, code, title = 402, "declined", "Declined"


class ProviderError(GauntletError):
    """A provider attempt failed.

    ``retryable``: the same provider may be tried again; ``counts``: the breaker counts it; ``retry_after_s``: the
    provider's hint, bounded by the caller of this class.
    """

    status, code, title = 502, "provider_error", "Provider error"
    retryable: bool = True
    counts: bool = True

    def __init__(
        self, message: str, *, provider: str, upstream_status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.provider = provider
        self.upstream_status = upstream_status


class Misconfigured(ProviderError):
    """Our key, our bill or our model name: a human must act; 401, 402, 403, 404, exhausted quota or spend limit."""

    code, title = "misconfigured", "Provider misconfigured"
    retryable, counts = False, False


class RateLimitedByProvider(ProviderError):
    """429: the provider is well and wants less. Sets a pause for the fleet when it says for how long."""

    status, code, title = 503, "provider_rate_limited", "Provider rate limit"
    counts = False


class Unavailable(ProviderError):
    """408, 500, 502, 503, 504, 529: the provider says that it cannot."""

    status, code, title = 503, "unavailable", "Provider unavailable"


class ConnectionFailed(ProviderError):
    """Refused, or reset before an answer."""

    status, code, title = 503, "connection_failed", "Provider unreachable"


class TimedOut(ProviderError):
    """No connection, no first token, silence in the stream, or too long in all (``phase`` says which)."""

    status, code, title = 504, "timed_out", "Provider timed out"

    def __init__(self, message: str, *, provider: str, phase: str) -> None:
        super().__init__(message, provider=provider)
        self.phase = phase


class BadAnswer(ProviderError):
    """200 with something that is no answer: HTML, nothing, half of a JSON, missing fields, empty content."""

    code, title = "bad_answer", "Bad answer from the provider"


class StreamBroken(ProviderError):
    """An in-stream error, a cut, a clean end without the final event, or a chunk that cannot be read."""

    code, title = "stream_broken", "Stream broken"


class NotCalled(ProviderError):
    """We decided not to call: nothing to retry at once, nothing to count."""

    status, code = 503, "not_called"
    retryable, counts = False, False


class CircuitOpen(NotCalled):
    """The breaker is open, or its one probe is under way."""

    code, title = "circuit_open", "Circuit open"


class Paused(NotCalled):
    """A 429's Retry-After pauses this provider for the whole fleet."""

    code, title = "paused", "Provider paused"


class BulkheadFull(NotCalled):
    """All slots of this worker for this provider are taken."""

    code, title = "bulkhead_full", "Bulkhead full"


class AllRungsFailed(GauntletError):
    """No rung of the ladder could answer, where the honest message has no other form (OpenAI's surface)."""

    status, code, title = 503, "all_rungs_failed", "No provider could answer"


class AllMisconfigured(GauntletError):
    """Every rung failed by our own fault: nothing the caller can do."""

    status, code, title = 502, "misconfigured", "The service is misconfigured"


class DeadlineExceeded(GauntletError):
    """The request's own deadline passed."""

    status, code, title = 504, "deadline_exceeded", "Deadline exceeded"


class Overloaded(GauntletError):
    """Back-pressure: this worker has as many requests in flight as it takes, or is behind with its work."""

    status, code, title = 503, "overloaded", "Overloaded"


class StoreUnavailable(GauntletError):
    """Redis is away. A write that timed out may have happened."""

    status, code, title = 503, "store_unavailable", "Store unavailable"
