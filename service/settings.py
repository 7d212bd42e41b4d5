"""All configuration, units in names; nothing else in the service reads the environment.

Sources, strongest first: environment (``GAUNTLET_A__B``, and ``REDIS_URL``), ``gauntlet.toml`` (or the file named by
``GAUNTLET_CONFIG``), the profile, the defaults below. A wrong value names the key, what was given and what is allowed.
Next: ``app.py``, which builds everything from these.
"""

import os
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Usd = Annotated[float, Field(ge=0, le=900_000)]
BrokenStream = Literal["restart", "error", "buffer"]
NAME = r"^[A-Za-z0-9_.@-]{1,64}$"
"""Tenants and users: no character that separates the parts of a key in Redis."""
STAGES = ("cache", "rate_limit", "fallback", "retry", "breaker", "bulkhead")
SWITCHES = (*STAGES, "retrieval", "rerank")
"""What an operator may switch off: the stages, and what a route with retrieval does before it asks a model."""
PAYMENTS = "payments"
"""The payments provider's name among the circuits and bulkheads."""
EMBEDDINGS, RERANK = "embeddings", "rerank"
"""The names of retrieval's two dependencies there."""
SEARCHERS = frozenset({EMBEDDINGS, RERANK})
INDEX = "index"
"""The name of its index there, where a server holds it."""


class ConfigurationError(Exception):
    """The configuration cannot be used; the message names each key, what was given and what is allowed."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProviderSettings(_Section):
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


class RungSettings(_Section):
    """One step of a route's ladder."""

    provider: str = Field(description="a name under `providers`")
    model: str = Field(description="the model there")
    smaller: bool = Field(False, description="a smaller model: for another provider's outage or too little time")
    context_tokens: Count | None = Field(None, description="takes a context-length error of a rung with fewer")


class RouteSettings(_Section):
    """An alias that clients name, and the ladder behind it."""

    rungs: tuple[RungSettings, ...] = Field(min_length=1, description="the ladder, first rung first")
    broken_stream: BrokenStream = Field("restart", description="`restart`, `error` or `buffer`")
    deadline_s: Seconds = Field(5.0, description="for an answer, or for the first token of a stream")
    max_tokens: Count = Field(1024, description="longest answer")
    retrieval: bool = Field(False, description="give the model passages of the corpus to answer from, and cite them")


class KeySettings(_Section):
    """One API key, stored as the SHA-256 of its text in hex."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the key, in hex")
    tenant: str = Field(pattern=NAME, description="whose buckets, cache and budget it uses")
    user: str = Field(pattern=NAME, description="whose threads it sees")
    admin: bool = Field(False, description="may use `/admin`")


class CacheSettings(_Section):
    """Chapter, section 4: an hour fresh; kept a day for the stale rung."""

    fresh_s: Seconds = Field(3600.0, description="an answer is served from the cache this long")
    keep_s: Seconds = Field(86_400.0, description="and kept this long for the stale rung")
    poll_s: Seconds = Field(0.1, description="how often a waiter looks again when nobody wakes it")


class BucketSettings(_Section):
    """Token bucket: refill per minute, burst = capacity."""

    requests_per_min: Count = Field(description="refill of the request bucket")
    burst: Count = Field(description="size of the request bucket")
    tokens_per_min: Count = Field(description="refill and size of the token bucket")


class RateLimitSettings(_Section):
    """Per user and per tenant."""

    user: BucketSettings = BucketSettings(requests_per_min=60, burst=20, tokens_per_min=100_000)
    tenant: BucketSettings = BucketSettings(requests_per_min=600, burst=200, tokens_per_min=1_000_000)


class BudgetSettings(_Section):
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


class RetrySettings(_Section):
    """Full jitter U(0, min(cap, base * 2^n)); the budget is per worker."""

    attempts: Count = Field(4, description="calls per rung, the first one included")
    base_s: Seconds = Field(0.2, description="full jitter: U(0, min(cap, base * 2^n))")
    cap_s: Seconds = Field(2.0, description="longest back-off")
    retry_after_wait_s: float = Field(0.5, ge=0, description="longest Retry-After to wait for while a rung is left")
    wake_spread_s: float = Field(0.25, ge=0, description="after a pause, spread the wake-ups by U(0, this)")
    budget_capacity: float = Field(10.0, gt=0, description="retries that a worker may have in hand; it starts full")
    budget_per_request: float = Field(0.2, ge=0, description="earned with each request")
    budget_per_s: float = Field(1.0, ge=0, description="earned with time")


class BreakerSettings(_Section):
    """Chapter, section 5: five consecutive failures, thirty seconds; here for the whole fleet."""

    failures: Count = Field(5, description="consecutive failures, over all workers, that open the circuit")
    cooldown_s: Seconds = Field(30.0, description="time before the one probe")
    probe_lease_s: Seconds = Field(10.0, description="a probe that is not heard of for this long is given up")
    pause_max_s: Seconds = Field(60.0, description="a longer Retry-After counts as absent")


class FallbackSettings(_Section):
    """The ladder's share of time."""

    rung_share: Share = Field(0.5, description="a rung other than the last gets at most this share of what is left")
    reserve_s: Seconds = Field(0.25, description="kept to answer")
    smaller_below_s: Seconds = Field(1.0, description="with less time than this take the smaller model at once")


class StoreSettings(_Section):
    """The guard around Redis."""

    timeout_s: float = Field(0.2, gt=0, le=0.25, description="longest wait for an answer of Redis")
    failures: Count = Field(2, description="failures in a row after which Redis is not asked")
    skip_s: Seconds = Field(0.5, description="how often it is looked for then")
    refresh_s: Seconds = Field(1.0, description="how often the local copy of shared state is re-read")


class SessionSettings(_Section):
    """Threads and idempotency."""

    thread_ttl_s: float = Field(7 * 86_400.0, gt=0, description="life of a thread after its last turn")
    history_tokens: Count = Field(8_000, description="what of a thread is sent to a model")
    turn_lease_s: Seconds = Field(2.0, description="a turn that is not heard of for this long is given up")
    idempotency_ttl_s: Seconds = Field(86_400.0, description="how long a response is replayed")
    idempotency_lease_s: Seconds = Field(5.0, description="an operation not heard of for this long may be taken over")


class PaymentsSettings(_Section):
    """The payments provider behind /refund."""

    base_url: str | None = Field(
        "http://127.0.0.1:8103", description="the payments provider; live has none, and no /refund, unless it is set"
    )
    api_key_env: str = Field("PAYMENTS_API_KEY", description="the environment variable that holds its key")
    deadline_s: Seconds = Field(10.0, description="for a refund with all its attempts")
    connect_timeout_s: Seconds = Field(1.0, description="for a connection")
    bulkhead: Count = Field(64, description="calls at once per worker")


WEBHOOK_SECRET = "whsec_Z2F1bnRsZXQgd29ya2JlbmNoOiBwdWJsaWMgd2ViaG9vayBrZXkh"  # noqa: S105 - public on purpose
"""The workbench's, which its receiver knows too; anybody can sign with it."""
LOOPBACK_NETWORKS = ("127.0.0.0/8", "::1/128")
"""Where the workbench's own receiver is."""
WebhookSecret = Annotated[str, Field(pattern=r"^whsec_[A-Za-z0-9+/]{32,128}={0,2}$")]
Network = Annotated[str, AfterValidator(lambda given: str(ip_network(given)))]


class WebhookSettings(_Section):
    """Messages to users' own servers: where they may go, how they are signed, how long they are tried."""

    secret: WebhookSecret = Field(
        WEBHOOK_SECRET,
        repr=False,
        description="tenants' signing secrets are derived from it; live needs one of its own",
    )
    previous_secret: WebhookSecret | None = Field(
        None, repr=False, description="the one before, which signs as well until every receiver has the new one"
    )
    http: bool = Field(True, description="take `http://` targets too; in the live profile only `https://`")
    allowed_networks: tuple[Network, ...] = Field(
        LOOPBACK_NETWORKS, description="networks that are not public and may be called all the same; live: none"
    )
    allowed_ports: tuple[Annotated[int, Field(ge=1, le=65_535)], ...] = Field(
        (), description="ports that may be called; none named: any. Live: 443 and 8443"
    )
    tries: Count = Field(15, description="deliveries of one message before it is a dead letter")
    base_s: Seconds = Field(5.0, description="full jitter between tries: U(0, min(cap, base * 2^n))")
    cap_s: Seconds = Field(
        14_400.0, description="longest back-off; with the others some 14 hours at most, 7 on average"
    )
    retry_after_max_s: Seconds = Field(3600.0, description="a longer Retry-After of a receiver counts as this one")
    timeout_s: Seconds = Field(10.0, description="for one try, with look-up and connection")
    connect_timeout_s: Seconds = Field(3.0, description="for the look-up of the name, and for a connection")
    at_once_per_host: Count = Field(2, description="tries at once per receiver and worker; others wait their turn")
    keep_s: float = Field(86_400.0, gt=0, description="how long a delivered message is remembered")
    keep_dead_s: float = Field(7 * 86_400.0, gt=0, description="and a dead letter")


class JobSettings(_Section):
    """Long documents analysed, and late answers, in the background."""

    text_max_bytes: Count = Field(2 * 1024 * 1024, description="largest document")
    depth_max: Count = Field(1000, description="jobs that may wait; beyond it 503")
    per_user_max: Count = Field(20, description="unfinished jobs of one user; beyond it 429")
    keep_s: Seconds = Field(86_400.0, description="how long a result is kept")
    part_tokens: Count = Field(2_000, description="a document is read in parts of about so many tokens")
    parts_max: Count = Field(64, description="parts of a document; of a longer one they are larger")
    at_once: Count = Field(4, description="calls at once for one job")
    step_deadline_s: Seconds = Field(30.0, description="for one call with all its attempts")
    deadline_s: Seconds = Field(3600.0, description="a job that has not ended by then fails")
    later_deadline_s: Seconds = Field(3600.0, description="the same for an answer that was promised for later")
    base_s: Seconds = Field(1.0, description="full jitter between tries without success: U(0, min(cap, base * 2^n))")
    cap_s: Seconds = Field(60.0, description="longest of these waits")
    tries: Count = Field(50, description="tries in a row without a step done, after which an analysis fails")
    sweep_s: Seconds = Field(5.0, description="how often a worker looks for jobs whose task was lost")


class QueueSettings(_Section):
    """What is done after the answer, by worker processes: ``python -m service.worker``."""

    enabled: bool = Field(True, description="have the endpoints whose work a worker process does")
    redeliver_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        5.0, description="a killed worker's tasks are another's after at most this long"
    )
    at_once: Count = Field(8, description="tasks of each track that a worker process runs at once")


class EmbeddingsSettings(_Section):
    """The embeddings API: any server that speaks OpenAI's `/v1/embeddings` (vLLM, TEI, Ollama, the APIs)."""

    base_url: str | None = Field(
        "http://127.0.0.1:8104/v1", description="with its `/v1`; not set: search by words only"
    )
    api_key_env: str = Field("OPENAI_API_KEY", description="the environment variable that holds its key")
    model: str = Field("text-embedding-3-small", description="vectors of another model are made anew, for all passages")
    dimensions: Count | None = Field(None, description="asked for where set; else the model's own")
    timeout_s: Seconds = Field(0.15, description="for one call: half of retrieval's deadline, so that words are left")
    connect_timeout_s: Seconds = Field(0.1, description="for a connection")
    bulkhead: Count = Field(64, description="calls at once per worker")
    cache_s: Seconds = Field(86_400.0, description="how long a question's vector is kept in Redis")


class RerankSettings(_Section):
    """The reranker: any server that speaks `/v1/rerank` as Jina, Cohere, vLLM and TEI's gateways do."""

    base_url: str | None = Field("http://127.0.0.1:8104/v1", description="with its `/v1`; not set: the fused order")
    api_key_env: str = Field("RERANK_API_KEY", description="the environment variable that holds its key")
    model: str = Field("bge-reranker-v2-m3", description="the model there")
    timeout_s: Seconds = Field(0.15, description="for one call: what a slow question's vector leaves of the deadline")
    connect_timeout_s: Seconds = Field(0.1, description="for a connection")
    bulkhead: Count = Field(64, description="calls at once per worker")
    usd_per_mtok: Usd = Field(
        0.0, description="its price; no table of prices lists rerankers, and one's own costs none"
    )


class RetrievalSettings(_Section):
    """Layer 3: what a route with `retrieval` does before it asks a model."""

    deadline_s: Seconds = Field(0.3, description="for all of it; at most a quarter of what a request has left")
    passages: int = Field(5, ge=1, le=20, description="given to the model")
    fewer_passages: int = Field(2, ge=1, le=20, description="given to it under pressure")
    candidates: int = Field(20, ge=1, le=100, description="of each search, and after fusion to the reranker")
    rerank_until: Share = Field(0.5, description="pressure from which nothing is reranked: first")
    more_until: Share = Field(0.7, description="and from which the model gets `fewer_passages`: next")
    search_until: Share = Field(0.85, description="and from which nothing is searched")
    handbook: bool = Field(True, description="a store without a corpus gets the handbook that ships with the project")
    at_start: bool = Field(False, description="get ready at start, and not when the first question needs it")
    embeddings: EmbeddingsSettings = EmbeddingsSettings()
    rerank: RerankSettings = RerankSettings()


PSEUDONYM_KEY = "workbench"
"""The workbench's; anybody can undo its hashes by trying names."""


class TelemetrySettings(_Section):
    """What is told of requests; where to, `OTEL_*` variables say."""

    pseudonym_key: str = Field(
        PSEUDONYM_KEY, min_length=8, description="keys the hash that stands for a user; live needs one of its own"
    )
    ordinary_per_s: float = Field(10.0, ge=0, description="traces of requests without incident kept per worker")
    notable_per_s: float = Field(50.0, ge=0, description="and of each kind with one: errors, degraded, slow and so on")
    slow_s: Seconds = Field(2.0, description="a request (a stream's first token) that takes longer is slow")


CHECKPOINT_SCHEMES = ("sqlite",)
"""The savers that ``tracks/checkpoints.py`` knows."""


class AgentSettings(_Section):
    """The agent that refunds: who must approve, and how long what is kept."""

    orders: Literal["workbench"] | None = Field(
        "workbench", description="the order desk; the workbench's is invented, so live has none, and no /agent"
    )
    approval_above: int = Field(
        5000, ge=0, description="more than this of one order, in minor units, is refunded with an approval alone"
    )
    approval_within_s: Seconds = Field(86_400.0, description="a refund that nobody approves within it is rejected")
    checkpoints: str = Field(
        "sqlite:.gauntlet/agent/checkpoints.sqlite",
        description="where runs stand between two steps: `sqlite:PATH`, for the workers of one host",
    )
    keep_s: float = Field(7 * 86_400.0, gt=0, description="how long a run is kept after its last change")
    lease_s: Seconds = Field(4.0, description="a worker that is not heard of for this long loses its run to another")
    retry_s: Seconds = Field(1.0, description="first wait for a dependency that is away; doubles up to 30 s")
    retry_within_s: Seconds = Field(3600.0, description="after so long with the same step a run fails")

    @field_validator("checkpoints")
    @classmethod
    def _known(cls, given: str) -> str:
        scheme, _, place = given.partition(":")
        if scheme not in CHECKPOINT_SCHEMES or not place:
            known = ", ".join(f"{name}:…" for name in CHECKPOINT_SCHEMES)
            raise ValueError(f"no checkpoints can be kept there; it must be one of {known}, such as sqlite:runs.sqlite")
        return given


DEFAULTS: dict[str, Any] = {
    "providers": {
        "anthropic": {"kind": "anthropic", "base_url": "http://127.0.0.1:8101", "api_key_env": "ANTHROPIC_API_KEY"},
        "openai": {"kind": "openai", "base_url": "http://127.0.0.1:8102/v1", "api_key_env": "OPENAI_API_KEY"},
    },
    "routes": {
        "default": {
            "rungs": [
                {"provider": "anthropic", "model": "claude-opus-4-7"},
                {"provider": "openai", "model": "gpt-5.5"},
                {"provider": "openai", "model": "gpt-5.4-mini", "smaller": True},
            ]
        },
        "economy": {
            "rungs": [
                {"provider": "openai", "model": "gpt-5.4-mini"},
                {"provider": "anthropic", "model": "claude-haiku-5-5"},
            ]
        },
        "handbook": {
            "retrieval": True,
            "rungs": [
                {"provider": "anthropic", "model": "claude-opus-4-7"},
                {"provider": "openai", "model": "gpt-5.5"},
                {"provider": "openai", "model": "gpt-5.4-mini", "smaller": True},
            ],
        },
    },
}
_LIFTED = {"requests_per_min": 100_000_000, "burst": 100_000_000, "tokens_per_min": 100_000_000_000}
_WIDE = {"bulkhead": 4096, "max_connections": 4096, "first_token_timeout_s": 29.0, "connect_timeout_s": 10.0}
PROFILES: dict[str, dict[str, Any]] = {
    "workbench": {},
    # The live profile talks to the real APIs; nothing of the workbench is left over.
    "live": {
        "providers": {
            "anthropic": {"base_url": "https://api.anthropic.com"},
            "openai": {"base_url": "https://api.openai.com/v1"},
        },
        "payments": {"base_url": None},
        "agent": {"orders": None},
        "webhooks": {"http": False, "allowed_networks": (), "allowed_ports": (443, 8443)},
        "retrieval": {
            "handbook": False,
            "embeddings": {"base_url": "https://api.openai.com/v1"},
            "rerank": {"base_url": None},
        },
    },
    # Limits lifted, so that a benchmark measures the path and not the limiter.
    "bench": {
        "admission": 4096,
        "admission_lag_s": 60.0,
        "rate_limit": {"user": _LIFTED, "tenant": _LIFTED},
        "providers": {"anthropic": _WIDE, "openai": _WIDE},
        "routes": {name: {"deadline_s": 30.0} for name in ("default", "economy", "handbook")},
    },
}


class Settings(BaseSettings):
    """The whole configuration, read once at start; frozen."""

    model_config = SettingsConfigDict(
        env_prefix="GAUNTLET_", env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    profile: Literal["workbench", "live", "bench"] = Field(
        "workbench", description="`live` talks to the real APIs, `bench` lifts the limits"
    )
    service_host: str = Field("127.0.0.1", description="address to bind")
    service_port: int = Field(8000, ge=0, le=65_535, description="port; 0 takes a free one")
    workers: int = Field(2, ge=1, le=64, description="worker processes")
    redis_url: str = Field(
        "redis://127.0.0.1:6390/0",
        validation_alias=AliasChoices("REDIS_URL", "GAUNTLET_REDIS_URL", "redis_url"),
        pattern=r"^(redis|rediss|unix)://",
        description="the store; from the environment as `REDIS_URL`",
    )
    qdrant_url: str | None = Field(
        None,
        validation_alias=AliasChoices("QDRANT_URL", "GAUNTLET_QDRANT_URL", "qdrant_url"),
        pattern=r"^https?://",
        description="a Qdrant server for all workers, also as `QDRANT_URL`; not set: in the memory of each",
    )
    qdrant_api_key: str | None = Field(
        None,
        validation_alias=AliasChoices("QDRANT_API_KEY", "GAUNTLET_QDRANT_API_KEY", "qdrant_api_key"),
        repr=False,
        description="of that server, also as `QDRANT_API_KEY`",
    )
    admission: Count = Field(512, description="requests in flight per worker; beyond it 503")
    admission_lag_s: Seconds = Field(
        0.075, description="a worker whose event loop is later on average takes an eighth of `admission`"
    )
    body_max_bytes: Count = Field(256 * 1024, description="largest request body")
    drain_s: Seconds = Field(10.0, description="time for requests in flight after SIGTERM")
    demo_keys: bool | None = Field(None, description="accept demo-TENANT-USER keys; default: not in the live profile")
    keys: tuple[KeySettings, ...] = Field((), description="API keys, as `[[keys]]`")
    order: tuple[str, ...] = Field(STAGES, description="the stages, outermost first")
    providers: dict[str, ProviderSettings]
    routes: dict[str, RouteSettings]
    default_route: str = Field("default", description="the route of a chat that names none")
    cache: CacheSettings = CacheSettings()
    rate_limit: RateLimitSettings = RateLimitSettings()
    budget: BudgetSettings = BudgetSettings()
    retry: RetrySettings = RetrySettings()
    breaker: BreakerSettings = BreakerSettings()
    fallback: FallbackSettings = FallbackSettings()
    store: StoreSettings = StoreSettings()
    sessions: SessionSettings = SessionSettings()
    payments: PaymentsSettings = PaymentsSettings()
    queue: QueueSettings = QueueSettings()
    jobs: JobSettings = JobSettings()
    webhooks: WebhookSettings = WebhookSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    agent: AgentSettings = AgentSettings()
    capture_content: bool = Field(
        False,
        validation_alias=AliasChoices("CAPTURE_CONTENT", "GAUNTLET_CAPTURE_CONTENT", "capture_content"),
        description="put questions and answers on spans, masked; also as `CAPTURE_CONTENT`",
    )
    langfuse_public_key: str | None = Field(
        None,
        validation_alias=AliasChoices("LANGFUSE_PUBLIC_KEY", "langfuse_public_key"),
        description="with the secret key, generations go to Langfuse; as `LANGFUSE_PUBLIC_KEY`",
    )
    langfuse_secret_key: str | None = Field(
        None,
        validation_alias=AliasChoices("LANGFUSE_SECRET_KEY", "langfuse_secret_key"),
        repr=False,
        description="as `LANGFUSE_SECRET_KEY`",
    )
    langfuse_base_url: str = Field(
        "https://cloud.langfuse.com",
        validation_alias=AliasChoices("LANGFUSE_BASE_URL", "langfuse_base_url"),
        pattern=r"^https?://",
        description="as `LANGFUSE_BASE_URL`",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Tests' own values, environment, file, profile, defaults."""
        toml = TomlConfigSettingsSource(settings_cls, _config_path())
        given = [init_settings(), env_settings(), toml()]
        profile = next((g["profile"] for g in given if "profile" in g), "workbench")
        layers = (PROFILES.get(str(profile), {}), DEFAULTS)
        return init_settings, env_settings, toml, *(InitSettingsSource(settings_cls, layer) for layer in layers)

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        if self.profile == "live" and self.demo_keys:
            raise ValueError(
                "demo_keys: the live profile refuses to start with them; unset it and list real keys under [[keys]]"
            )
        if self.profile == "live" and not self.keys:
            raise ValueError(
                "keys: the live profile needs at least one API key; add [[keys]] with sha256, tenant and user"
            )
        if self.profile == "live" and self.telemetry.pseudonym_key == PSEUDONYM_KEY:
            raise ValueError(
                "telemetry.pseudonym_key: the live profile needs a secret of its own, so that nobody can find out who "
                "is behind a hash; set it to 32 random characters, and keep it"
            )
        if self.profile == "live" and self.agent.orders == "workbench":
            raise ValueError("agent.orders: the workbench's orders are invented; the live profile refunds none of them")
        if self.agent.approval_within_s > self.agent.keep_s:
            raise ValueError("agent.keep_s: must be at least agent.approval_within_s")
        if self.profile == "live" and WEBHOOK_SECRET in (self.webhooks.secret, self.webhooks.previous_secret):
            raise ValueError(
                "webhooks.secret: the live profile needs one of its own, for anybody can sign with the workbench's; "
                "set it to whsec_ and 32 random bytes in base64"
            )
        if (self.langfuse_public_key is None) != (self.langfuse_secret_key is None):
            raise ValueError("LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY: set both, or neither")
        if sorted(self.order) != sorted(STAGES):
            raise ValueError(f"order: must name each of {', '.join(STAGES)} once, given {', '.join(self.order)}")
        if self.default_route not in self.routes:
            raise ValueError(f"default_route: {self.default_route!r} is none of the routes {', '.join(self.routes)}")
        for taken in (PAYMENTS, EMBEDDINGS, RERANK, INDEX):
            if taken in self.providers:
                raise ValueError(f"providers.{taken}: this name is taken by the service's own part; choose another")
        for alias, route in self.routes.items():
            for rung in route.rungs:
                if rung.provider not in self.providers:
                    known = ", ".join(self.providers)
                    raise ValueError(f"routes.{alias}: provider {rung.provider!r} is none of {known}")
        if self.cache.keep_s < self.cache.fresh_s:
            raise ValueError("cache.keep_s: must be at least cache.fresh_s")
        return self

    @property
    def has_agent(self) -> bool:
        """Whether there is an agent: a queue, an order desk, and somebody who pays."""
        return self.queue.enabled and self.agent.orders is not None and self.payments.base_url is not None

    @property
    def accepts_demo_keys(self) -> bool:
        """Whether ``demo-…`` keys open the door."""
        return self.profile != "live" if self.demo_keys is None else self.demo_keys

    @property
    def key_variables(self) -> list[str]:
        """The environment variables that hold the keys of what is configured."""
        named = [provider.api_key_env for provider in self.providers.values()]
        used = (self.payments, *((self.retrieval.embeddings, self.retrieval.rerank) if self.retrieves else ()))
        return list(dict.fromkeys([*named, *(part.api_key_env for part in used if part.base_url is not None)]))

    @property
    def retrieves(self) -> bool:
        """Whether any route does."""
        return any(route.retrieval for route in self.routes.values())


WORKBENCH_KEY = "workbench"
"""What the simulator takes for a provider's key: anything but nothing."""


def provider_key(settings: Settings, variable: str) -> str:
    """The key that the setting names. Only the live profile uses real ones: elsewhere a simulator would see them.

    Raises ConfigurationError where the live profile lacks it.
    """
    if settings.profile != "live":
        return WORKBENCH_KEY
    value = os.environ.get(variable)
    if not value:
        raise ConfigurationError(f"{variable}: the live profile needs this provider key in the environment")
    return value


def _config_path() -> Path:
    named = os.environ.get("GAUNTLET_CONFIG")
    if named and not Path(named).is_file():
        raise ConfigurationError(f"GAUNTLET_CONFIG: {named!r} is not a file; name an existing TOML file or unset it")
    return Path(named) if named else Path("gauntlet.toml")


def load(**given: Any) -> Settings:
    """Read the configuration.

    Raises ConfigurationError with one line per wrong key: its name, what was given, what is allowed.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigurationError(_explain(error)) from None
    except ConfigurationError:
        raise
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{_config_path()}: this is not TOML: {error}") from None
    except ValueError as error:  # JSON in an environment variable that cannot be read
        raise ConfigurationError(str(error)) from None


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"]) or "configuration"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "unknown key; check its spelling against the settings table of the README"
        given = "another value" if key.endswith("secret") else repr(item["input"])
        lines.append(f"{key}: {message}, given {given}" if item["loc"] else message)
    return "\n".join(lines)
