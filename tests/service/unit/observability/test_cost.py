"""What an attempt's money was for."""

import pytest

from service.observability.cost import purpose


@pytest.mark.parametrize(
    ("status", "outcome", "source", "spent_on"),
    [
        ("ok", "answered", "live", "answer"),
        ("ok", "degraded", "provider", "fallback"),
        ("ok", "degraded", "smaller_model", "fallback"),
        ("unavailable", "answered", "live", "retry"),
        ("stream_broken", "degraded", "provider", "retry"),
        ("timed_out", "degraded", "provider", "abandoned"),
        ("cancelled", "cancelled", None, "abandoned"),
        ("ok", "cancelled", "live", "abandoned"),
        ("ok", "degraded", "live", "answer"),
    ],
)
def test_each_attempt_has_one_purpose(status: str, outcome: str, source: str | None, spent_on: str) -> None:
    assert purpose(status, outcome=outcome, source=source) == spent_on
