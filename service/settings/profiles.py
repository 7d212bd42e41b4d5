"""What is not configured: the providers and routes of every profile, and what each profile has of its own.

Next: ``settings.py``.
"""

from typing import Any

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
            "deadline_s": 1.0,  # one round trip to an API over an ocean is 0.1 s, a vector 0.2 to 0.4 s
            "embeddings": {"base_url": "https://api.openai.com/v1", "timeout_s": 0.5, "connect_timeout_s": 0.3},
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
