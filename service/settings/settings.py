"""The whole configuration: where it comes from, what must fit together, and how a mistake in it is told.

Next: ``app.py``, which builds everything from it.
"""

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from .profiles import DEFAULTS, PROFILES
from .retrieval import RetrievalSettings
from .section import EMBEDDINGS, INDEX, PAYMENTS, RERANK, STAGES, Count, Seconds
from .stages import (
    BreakerSettings,
    BudgetSettings,
    CacheSettings,
    FallbackSettings,
    KeySettings,
    ProviderSettings,
    RateLimitSettings,
    RetrySettings,
    RouteSettings,
    SessionSettings,
    StoreSettings,
)
from .telemetry import PSEUDONYM_KEY, TelemetrySettings
from .tracks import WEBHOOK_SECRET, AgentSettings, JobSettings, PaymentsSettings, QueueSettings, WebhookSettings


class ConfigurationError(Exception):
    """The configuration cannot be used; the message names each key, what was given and what is allowed."""


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
