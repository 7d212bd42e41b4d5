"""The tail decision: what is always kept, what is rationed, and that weights give back the counts."""

from typing import Any

import pytest

from service.observability.sampling import TailSampler
from service.settings import TelemetrySettings

from ..fakes import FakeClock


def record(**given: Any) -> dict[str, Any]:
    return {
        "outcome": "answered",
        "attempts": [{"status": "ok"}],
        "stream": False,
        "first_token_ms": None,
        "duration_ms": 10.0,
        **given,
    }


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "ordinary"),
        ({"attempts": []}, "ordinary"),
        ({"duration_ms": 2000.0}, "slow"),
        ({"stream": True, "first_token_ms": 2000.0, "duration_ms": 9000.0}, "slow"),
        ({"stream": True, "first_token_ms": 50.0, "duration_ms": 9000.0}, "ordinary"),
        ({"stream": True, "first_token_ms": None, "duration_ms": 9000.0}, "slow"),
        ({"attempts": [{"status": "unavailable"}, {"status": "ok"}]}, "faulted"),
        ({"outcome": "degraded", "duration_ms": 3000.0}, "degraded"),
        ({"outcome": "failed"}, "error"),
        ({"outcome": "broken"}, "error"),
        ({"outcome": "unavailable"}, "error"),
        ({"outcome": "refused"}, "refused"),
        ({"outcome": "cancelled"}, "cancelled"),
    ],
)
def test_the_worst_that_happened_is_the_reason(clock: FakeClock, given: dict[str, Any], reason: str) -> None:
    assert TailSampler(TelemetrySettings(), clock=clock).reason(record(**given)) == reason


def test_what_happens_seldom_is_always_kept(clock: FakeClock) -> None:
    sampler = TailSampler(TelemetrySettings(ordinary_per_s=5, notable_per_s=20), clock=clock)
    for _ in range(50):
        clock.now += 0.25
        assert sampler.weight("ordinary") == 1
        assert sampler.weight("error") == 1


def test_a_flood_is_rationed_by_kind_and_the_weights_add_up_to_what_there_was(clock: FakeClock) -> None:
    sampler = TailSampler(TelemetrySettings(ordinary_per_s=10, notable_per_s=50), clock=clock)
    weights: dict[str, list[int]] = {"ordinary": [], "error": []}
    for _ in range(10_000):  # 1,000 of each a second, for ten seconds
        clock.now += 0.001
        for reason, kept in weights.items():
            kept.append(sampler.weight(reason))
    for reason, per_s in (("ordinary", 10), ("error", 50)):
        kept = [weight for weight in weights[reason] if weight]
        assert 10 * per_s <= len(kept) <= 11 * per_s + 1
        # What came after the last one that was kept is told by the next.
        assert 10_000 - 1000 // per_s * 2 <= sum(kept) <= 10_000
    clock.now += 1
    assert sum(weights["ordinary"]) + sampler.weight("ordinary") == 10_001


def test_no_rate_keeps_none(clock: FakeClock) -> None:
    sampler = TailSampler(TelemetrySettings(ordinary_per_s=0), clock=clock)
    clock.now += 1000
    assert [sampler.weight("ordinary") for _ in range(3)] == [0, 0, 0]
