"""Several runs in one chart each: what a stage was worth, second by second. Read `page.py` next: how a page is written.

All runs are drawn from their own beginnings. A run has one colour and one dash on all plots.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from loadtests.verdict import draw, plots, series
from loadtests.verdict.draw import Scale
from loadtests.verdict.evidence import Evidence
from loadtests.verdict.frame import Frame
from loadtests.verdict.looks import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, Look
from loadtests.verdict.plots import Chart
from loadtests.verdict.series import Steps
from loadtests.verdict.told import Told

MOST_STEPS = 60
"""Fewer than for a single run: lines that cross are read at longer steps."""

COLOURS = (draw.INK, BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY)
DASHES = ((), (8, 3), (3, 3), (10, 3, 2, 3))
PRIMARY = "anthropic"
PERCENT = "format(datum.value * 100, '~r') + ' %'"


def of_runs(runs: Sequence[Told]) -> list[Chart]:
    """Success, p95 and calls to the primary of all runs; phases and bands are those of the longest run with faults."""
    if not runs:
        return []
    lasts_s = max(run.evidence.ended - run.evidence.began for run in runs)
    steps = Steps.of(lasts_s, MOST_STEPS)
    shown = max(runs, key=lambda run: (bool(run.evidence.bands), run.evidence.ended - run.evidence.began))
    frame = Frame.of(shown.evidence, steps)
    first = plots.what_happened(frame)
    first = replace(first, said=f"Phases and faults as in “{shown.label}”." if len(runs) > 1 else "")
    looks = [look(number, run.label) for number, run in enumerate(runs)]

    def over(values: Callable[[Evidence], Sequence[float | None]], title: str, y: Scale | None = None) -> Chart:
        lines = [(one, values(run.evidence)) for one, run in zip(looks, runs, strict=True)]
        there = [value for _, line in lines for value in line if value is not None]
        return plots.curves(frame, lines, title, y=y or plots.milliseconds(there))

    def p95(evidence: Evidence) -> list[float | None]:
        times = ((entry.t - evidence.began, entry.duration_ms) for entry in series.whole_answers(evidence))
        return series.percentiles(series.grouped(steps, times), 0.95)

    def calls(evidence: Evidence) -> list[float | None]:
        reached = [(call.t - evidence.began, PRIMARY, 1.0) for call in evidence.calls if call.target == PRIMARY]
        if not evidence.has_ledger:
            return [None] * steps.count
        return list(series.rates(steps, series.sums(steps, reached)).get(PRIMARY, [0.0] * steps.count))

    most = max((value for run in runs for value in calls(run.evidence) if value is not None), default=1.0)
    shares = Scale(0.0, 1.0, [0, 0.25, 0.5, 0.75, 1], PERCENT)
    return [
        first,
        over(lambda evidence: series.success(steps, evidence), "Success: the share of whole answers", shares),
        over(p95, "p95 of the time to the whole answer, from when the request was due"),
        over(calls, f"Calls per second that reached {PRIMARY}", draw.upwards(most * 1.02 if most else 1.0)),
    ]


def look(number: int, label: str) -> Look:
    """The colour and the dash of the run of this number, from 0: every pair is another one, for 28 runs."""
    return Look(label, COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)], True)
