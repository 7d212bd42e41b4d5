"""Chat: providers, routes and keys, the stages around a call, the store and the threads. Next: ``tracks.py``."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from .section import NAME, Count, Seconds, Section, Share, Usd

BrokenStream = Literal["restart", "error", "buffer"]


class ProviderSettings(Section):
    """One LLM provider: an Anthropic or OpenAI API, or any server that speaks one of the two."""

    kind: Literal["anthropic", "openai"] = Field(description="the wire format: `anthropic` or `openai`")
    base_url: str = Field(description="where the API is; for `openai` with its `/v1`")
    api_key_env: str = Field(description="the environment variable that holds the key")
    connect_timeout_s: Seconds = Field(1.0, description="for a connection")
    first_token_timeout_s: Seconds = Field(4.0, description="bounds a stream's first token, under the deadline")
    idle_timeout_s: Seconds = Field(2.0, description="longest silence in a stream; pings do not count")
    stream_total_timeout_s: Seconds = Field(60.0, description="longest stream")
    max_connections: Count = Field(1024, description="per worker; above the bulkhead")
    bulkhead: Count = Field(256, description="calls at once per worker")


class RungSettings(Section):
    """One step of a route's ladder."""

    provider: str = Field(description="a name under `providers`")
    model: str = Field(description="the model there")
    smaller: bool = Field(False, description="a smaller model: for another provider's outage or too little time")
    context_tokens: Count | None = Field(None, description="takes a context-length error of a rung with fewer")


class RouteSettings(Section):
    """An alias that clients name, and the ladder behind it."""

    rungs: tuple[RungSettings, ...] = Field(min_length=1, description="the ladder, first rung first")
    broken_stream: BrokenStream = Field("restart", description="`restart`, `error` or `buffer`")
    deadline_s: Seconds = Field(5.0, description="for an answer, or for the first token of a stream")
    max_tokens: Count = Field(1024, description="longest answer")
    retrieval: bool = Field(False, description="give the model passages of the corpus to answer from, and cite them")


class KeySettings(Section):
    """One API key, stored as the SHA-256 of its text in hex."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the key, in hex")
    tenant: str = Field(pattern=NAME, description="whose buckets, cache and budget it uses")
    user: str = Field(pattern=NAME, description="whose threads it sees")
    admin: bool = Field(False, description="may use `/admin` and `/retrieve`, decide refunds, see everybody's work")


class CacheSettings(Section):
    """Chapter, section 4: an hour fresh; kept a day for the stale rung."""

    fresh_s: Seconds = Field(3600.0, description="an answer is served from the cache this long")
    keep_s: Seconds = Field(86_400.0, description="and kept this long for the stale rung")
    poll_s: Seconds = Field(0.1, description="how often a waiter looks again when nobody wakes it")


class BucketSettings(Section):
    """Token bucket: refill per minute, burst = capacity."""

    requests_per_min: Count = Field(description="refill of the request bucket")
    burst: Count = Field(description="size of the request bucket")
    tokens_per_min: Count = Field(description="refill and size of the token bucket")


class RateLimitSettings(Section):
    """Per user and per tenant."""

    user: BucketSettings = BucketSettings(requests_per_min=60, burst=20, tokens_per_min=100_000)
    tenant: BucketSettings = BucketSettings(requests_per_min=600, burst=200, tokens_per_min=1_000_000)

    @field_validator("user", "tenant", mode="before")
    @classmethod
    def _with_the_others_usual(cls, given: object, info: ValidationInfo) -> object:
        usual = cls.model_fields[str(info.field_name)].default
        return {**usual.model_dump(), **given} if isinstance(given, dict) else given


class BudgetSettings(Section):
    """What a tenant may spend in a day (UTC). Warns; stops only when told to, as budgets of cloud providers do."""

    usd_per_day: Usd | None = Field(
        None, description="what each tenant may spend; kept by the `rate_limit` stage, so not while that is off"
    )
    tenants: dict[Annotated[str, Field(pattern=NAME)], Usd] = Field(
        {}, description="the same for single tenants, by name; wins"
    )
    warn_share: Share = Field(0.8, description="from this share on the `Budget` header says `warning`")
    stop: Literal["none", "402", "429"] = Field(
        "none", description="what an exhausted budget answers to all but cache hits; `none`: it only warns"
    )

    @field_validator("stop", mode="before")
    @classmethod
    def _status_as_text(cls, given: Any) -> Any:
        return str(given) if isinstance(given, int) else given


class RetrySettings(Section):
    """Full jitter U(0, min(cap, base * 2^n)); the budget is per worker."""

    attempts: Count = Field(4, description="calls per rung, the first one included")
    base_s: Seconds = Field(0.2, description="full jitter: U(0, min(cap, base * 2^n))")
    cap_s: Seconds = Field(2.0, description="longest back-off")
    retry_after_wait_s: float = Field(0.5, ge=0, description="longest Retry-After to wait for while a rung is left")
    wake_spread_s: float = Field(0.25, ge=0, description="after a pause, spread the wake-ups by U(0, this)")
    budget_capacity: float = Field(10.0, gt=0, description="retries that a worker may have in hand; it starts full")
    budget_per_request: float = Field(0.2, ge=0, description="earned with each request")
    budget_per_s: float = Field(1.0, ge=0, description="earned with time")


class BreakerSettings(Section):
    """Chapter, section 5: five consecutive failures, thirty seconds; here for the whole fleet."""

    failures: Count = Field(5, description="consecutive failures, over all workers, that open the circuit")
    cooldown_s: Seconds = Field(30.0, description="time before the one probe")
    probe_lease_s: Seconds = Field(10.0, description="a probe that is not heard of for this long is given up")
    pause_max_s: Seconds = Field(60.0, description="a longer Retry-After counts as absent")


class FallbackSettings(Section):
    """The ladder's share of time."""

    rung_share: Share = Field(0.5, description="a rung other than the last gets at most this share of what is left")
    reserve_s: Seconds = Field(0.25, description="kept to answer")
    smaller_below_s: Seconds = Field(1.0, description="with less time than this take the smaller model at once")


class StoreSettings(Section):
    """The guard around Redis."""

    timeout_s: float = Field(0.2, gt=0, le=0.25, description="longest wait for an answer of Redis")
    failures: Count = Field(2, description="failures in a row after which Redis is not asked")
    skip_s: Seconds = Field(0.5, description="how often it is looked for then")
    refresh_s: Seconds = Field(1.0, description="how often the local copy of shared state is re-read")


class SessionSettings(Section):
    """Threads and idempotency."""

    thread_ttl_s: float = Field(7 * 86_400.0, gt=0, description="life of a thread after its last turn")
    history_tokens: Count = Field(8_000, description="what of a thread is sent to a model")
    turn_lease_s: Seconds = Field(2.0, description="a turn that is not heard of for this long is given up")
    idempotency_ttl_s: Seconds = Field(86_400.0, description="how long a response is replayed")
    idempotency_lease_s: Seconds = Field(5.0, description="an operation not heard of for this long may be taken over")
