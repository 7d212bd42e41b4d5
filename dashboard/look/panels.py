"""The panels: each chart over time with its title, what explains it, and its rows, made of a picture.

The Live page, a recorded run and a notebook's cell show the same ones. Read `../views/live_charts.py` next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]

from ..feed.figures import answers, calls, series
from ..feed.picture import Picture
from . import charts
from .palette import ANSWERS, ATTEMPTS, BLUE, BREAKER, GREEN, GREY, PURPLE, SKY, Meaning

TALL_PX, STRIP_PX, SMALL_PX = 230, 110, 140
HIT_RATE_TARGET = (0.3, 0.7)
"""Chapter, section 7."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: `term` is its entry in the glossary, `meanings` what its colours mean, none where there is one.

    `note` is a word beside the title.
    """

    key: str
    title: str
    term: str
    meanings: Sequence[Meaning]
    spec: charts.Spec
    rows: pa.Table
    note: str = ""


_LATENCY = (
    Meaning("p50_ms", "p50", SKY, "percentiles"),
    Meaning("p95_ms", "p95", BLUE, "percentiles"),
    Meaning("p99_ms", "p99", PURPLE, "percentiles"),
    Meaning("first_token_ms", "first token, p50", GREY, "first token"),
)
_SUCCESS = (Meaning("success", "success", BLUE, "success"), Meaning("degraded", "degraded", SKY, "degraded"))
_HIT_RATE = (Meaning("hit_rate", "hit rate", GREEN),)
_AMPLIFICATION = (Meaning("amplification", "calls per request", GREY),)
_COST = (Meaning("usd_per_min", "USD per minute", BLUE),)

_ANSWERS_SPEC = charts.stacked(ANSWERS, y="requests / s", height=TALL_PX)
_STATES_SPEC = charts.states(STRIP_PX)
_CALLS_SPEC = charts.stacked(ATTEMPTS, y="calls / s", height=SMALL_PX)
_LATENCY_SPEC = charts.lines(_LATENCY, y="ms (log)", height=SMALL_PX, number="~s", log=True)
_SUCCESS_SPEC = charts.lines(_SUCCESS, y="share", height=SMALL_PX, number=".0%", most=1.0)
_HIT_RATE_SPEC = charts.lines(_HIT_RATE, y="share", height=SMALL_PX, number=".0%", most=1.0, target=HIT_RATE_TARGET)
_AMPLIFICATION_SPEC = charts.lines(_AMPLIFICATION, y="calls / request", height=SMALL_PX, number=".1f")
_COST_SPEC = charts.lines(_COST, y="USD / min", height=SMALL_PX, number="~g", exactly=",.4f")


def answers_panel(seen: Picture) -> Panel:
    """Where answers came from."""
    values = charts.named(answers(seen), ANSWERS)
    rows = charts.frame(seen, values, charts.room(values))
    return Panel("answers", "Where answers came from", "source", ANSWERS, _ANSWERS_SPEC, rows)


def circuits_panel(seen: Picture, providers: Sequence[str]) -> Panel:
    """Each provider's circuit."""
    rows = charts.state_rows(seen, providers)
    return _panel(seen, "states", "Circuits", "breaker", BREAKER[:3], _STATES_SPEC, rows)


def calls_panels(seen: Picture, providers: Sequence[str]) -> list[Panel]:
    """Each provider's calls, by how they ended."""
    made = calls(seen)
    return [
        _panel(
            seen,
            f"calls_{provider}",
            f"Calls to {provider}",
            "attempt",
            ATTEMPTS,
            _CALLS_SPEC,
            charts.named(made[made["target"] == provider], ATTEMPTS),
        )
        for provider in providers
    ]


def series_panels(seen: Picture) -> dict[str, Panel]:
    """Key -> panel: latency, success, hit_rate, amplification, cost."""
    table = series(seen)

    def panel(key: str, title: str, term: str, meanings: tuple[Meaning, ...], spec: charts.Spec) -> Panel:
        rows = charts.melted(table, {meaning.key: meaning.words for meaning in meanings})
        return _panel(seen, key, title, term, meanings if len(meanings) > 1 else (), spec, rows)

    panels = (
        panel("latency", "Latency", "percentiles", _LATENCY, _LATENCY_SPEC),
        panel("success", "Success and degraded", "success", _SUCCESS, _SUCCESS_SPEC),
        panel("hit_rate", "Cache hit rate, with the target", "hit rate", _HIT_RATE, _HIT_RATE_SPEC),
        panel("amplification", "Amplification", "amplification", _AMPLIFICATION, _AMPLIFICATION_SPEC),
        panel("cost", "Cost", "cost rate", _COST, _COST_SPEC),
    )
    return {panel.key: panel for panel in panels}


def _panel(
    seen: Picture,
    key: str,
    title: str,
    term: str,
    meanings: Sequence[Meaning],
    spec: charts.Spec,
    values: pd.DataFrame,
) -> Panel:
    return Panel(key, title, term, meanings, spec, charts.frame(seen, values))
