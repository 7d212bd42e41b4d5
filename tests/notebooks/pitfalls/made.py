"""A result as a run would leave it, without the run."""

from collections.abc import Sequence

from notebooks.pitfalls import Result, named
from notebooks.pitfalls.counting import BINS
from notebooks.pitfalls.result import Check, Figure, Findings, Mark, Strip


def result(*, holds: bool = True, doubts: Sequence[str] = (), guess: float | None = None) -> Result:
    """Of pitfall 7, whose strip has marks of every kind."""
    strip = Strip(
        "people who got an answer",
        "%",
        {"before": [None] * 12 + [0.0, 50.0, 100.0] * 12, "after": [None] * 12 + [100.0] * (BINS - 12)},
        12.0,
        (Mark("provider: 503", 3.0, 12.0), Mark("restart", 4.0, 5.5, "before"), Mark("noon", 1.0, 1.0)),
        top=100.0,
    )
    findings = Findings(
        load="nobody for 3 s, then 90 questions while the provider answers 503; a supervisor probes /health",
        figures=(
            Figure("calls_per_hour", "calls an hour at no users", "", {"before": 360.0, "after": 0.0}),
            Figure("p50_ms", "median wait", "ms", {"before": 2500.0, "after": None}, frozenset({"before"})),
        ),
        strip=strip,
        checks=(Check("before makes 20 calls for 20 probes", holds),),
        doubts=tuple(doubts),
        notes=("A note.",),
    )
    return Result(named(7), 7, 12.0, findings, guess)
