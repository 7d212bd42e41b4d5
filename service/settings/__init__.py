"""All configuration, units in names; nothing else in the service reads the environment.

Sources, strongest first: environment (``GAUNTLET_A__B``, and ``REDIS_URL``), ``gauntlet.toml`` (or the file named by
``GAUNTLET_CONFIG``), the profile, the defaults. A wrong value names the key, what was given and what is allowed.
Next: ``section.py``.
"""

from .profiles import PROFILES
from .retrieval import EmbeddingsSettings, RerankSettings, RetrievalSettings
from .section import EMBEDDINGS, INDEX, PAYMENTS, RERANK, SEARCHERS, STAGES, SWITCHES
from .settings import ConfigurationError, Settings, load, provider_key
from .stages import (
    BreakerSettings,
    BrokenStream,
    BucketSettings,
    BudgetSettings,
    CacheSettings,
    FallbackSettings,
    KeySettings,
    ProviderSettings,
    RateLimitSettings,
    RetrySettings,
    RouteSettings,
    RungSettings,
    SessionSettings,
)
from .telemetry import TelemetrySettings
from .tracks import (
    CHECKPOINT_SCHEMES,
    WEBHOOK_SECRET,
    AgentSettings,
    JobSettings,
    PaymentsSettings,
    QueueSettings,
    WebhookSettings,
)

__all__ = [
    "CHECKPOINT_SCHEMES",
    "EMBEDDINGS",
    "INDEX",
    "PAYMENTS",
    "PROFILES",
    "RERANK",
    "SEARCHERS",
    "STAGES",
    "SWITCHES",
    "WEBHOOK_SECRET",
    "AgentSettings",
    "BreakerSettings",
    "BrokenStream",
    "BucketSettings",
    "BudgetSettings",
    "CacheSettings",
    "ConfigurationError",
    "EmbeddingsSettings",
    "FallbackSettings",
    "JobSettings",
    "KeySettings",
    "PaymentsSettings",
    "ProviderSettings",
    "QueueSettings",
    "RateLimitSettings",
    "RerankSettings",
    "RetrievalSettings",
    "RetrySettings",
    "RouteSettings",
    "RungSettings",
    "SessionSettings",
    "Settings",
    "TelemetrySettings",
    "WebhookSettings",
    "load",
    "provider_key",
]
