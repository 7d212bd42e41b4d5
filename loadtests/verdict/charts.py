"""The charts of one run, on one time axis. Read `overlays.py` next: several runs in one chart."""

from collections.abc import Mapping, Sequence

from loadtests.verdict import draw, series
from loadtests.verdict.draw import Spec
from loadtests.verdict.evidence import Evidence, Window
from loadtests.verdict.frame import Frame, Span
from loadtests.verdict.judge import Judged
from loadtests.verdict.looks import (
    BILLED,
    CAME_OF,
    CIRCUIT,
    DARK_GREY,
    ENDED_AS,
    GREY,
    LATENCIES,
    PURPLE,
    STANDS,
    YELLOW,
    Look,
)
from loadtests.verdict.plots import HIGH_PX, STRIP_PX, Chart, curves, milliseconds, stacked, what_happened
from loadtests.verdict.series import Steps
from loadtests.verdict.told import Predicted, Told

LOW_PX = 120
PROMISED, FORESEEN = (2, 2), (12, 4)
USD_LABEL = "'$' + format(datum.value, ',.3~r')"


def of_run(told: Told, predicted: Sequence[Predicted] = ()) -> list[Chart]:
    """All charts of a run, from top to bottom; the first names phases and faults."""
    evidence = told.evidence
    steps = Steps.of(evidence.ended - evidence.began)
    frame = Frame.of(evidence, steps)
    charts = [what_happened(frame), _requests(frame, evidence), _latency(frame, told, predicted)]
    charts += [_calls(frame, evidence, target, predicted) for target in targets(evidence)]
    if standing := series.standing(steps, evidence):
        charts.append(_later(frame, standing))
    charts.append(_in_flight(frame, evidence))
    if evidence.has_ledger:
        charts.append(_billed(frame, evidence))
    return charts


def targets(evidence: Evidence) -> list[str]:
    """Whom calls reached or circuits stand before: the two providers first."""
    known = {call.target for call in evidence.calls} | {change.provider for change in evidence.changes}
    return [*(name for name in BILLED if name in known), *sorted(known - set(BILLED))]


def _requests(frame: Frame, evidence: Evidence) -> Chart:
    kinds = [(entry.t - evidence.began, series.came_of(entry), 1.0) for entry in evidence.entries]
    found = series.sums(frame.steps, kinds)
    title = "Requests per second by what came of them, at the time when they were due"
    return stacked(frame, CAME_OF, series.rates(frame.steps, found), _counts(found), title, height=HIGH_PX)


def _latency(frame: Frame, told: Told, predicted: Sequence[Predicted]) -> Chart:
    evidence = told.evidence
    whole = series.whole_answers(evidence)
    began = evidence.began
    times = series.grouped(frame.steps, ((entry.t - began, entry.duration_ms) for entry in whole))
    tokens = series.grouped(
        frame.steps, ((e.t - began, e.first_token_ms) for e in whole if e.first_token_ms is not None)
    )
    lines = [
        (LATENCIES["p50_ms"], series.percentiles(times, 0.50)),
        (LATENCIES["p95_ms"], series.percentiles(times, 0.95)),
        (LATENCIES["p99_ms"], series.percentiles(times, 0.99)),
        (LATENCIES["first_token_p95_ms"], series.percentiles(tokens, 0.95)),
    ]
    levels = []
    for judged in told.verdict.judged if told.verdict else ():
        if (bound := _bound_of_all(judged)) is not None:
            look = LATENCIES[judged.expected.measure]
            promised = Look(f"promised {look.words}", look.colour, PROMISED, True)
            levels.append((_spans(evidence, judged.expected.during), bound, promised))
    for one in predicted:
        if one.measure in LATENCIES and one.target is None:
            look = LATENCIES[one.measure]
            foreseen = Look(f"predicted {look.words}", look.colour, FORESEEN, True)
            levels.append((_spans(evidence, one.during), one.value, foreseen))
    values = [value for _, line in lines for value in line if value is not None]
    y = milliseconds([*values, *(value for _, value, _ in levels)])
    title = "Time to the whole answer and to the first token, from when the request was due"
    return curves(frame, lines, title, levels=levels, y=y)


def _bound_of_all(judged: Judged) -> float | None:
    expected = judged.expected
    is_drawn = expected.measure in LATENCIES and expected.callers is None and expected.kind is None
    return expected.at_most if is_drawn else None


def _calls(frame: Frame, evidence: Evidence, target: str, predicted: Sequence[Predicted]) -> Chart:
    ended = [(call.t - evidence.began, series.ended_as(call), 1.0) for call in evidence.calls if call.target == target]
    found = series.sums(frame.steps, ended)
    spans = [
        Span(since, until, state, CIRCUIT[state].colour if state in CIRCUIT else GREY)
        for since, until, state in series.states(evidence, target)
    ]
    has_circuit = any(change.provider == target for change in evidence.changes)
    strip = _strip(frame, spans) if has_circuit else []
    levels = []
    for one in predicted:
        if one.measure == "calls" and one.target == target:
            over = _spans(evidence, one.during)
            lasts_s = sum(span.until - span.since for span in over) or 1.0
            levels.append((over, one.value / lasts_s, Look("predicted", PURPLE, FORESEEN, True)))
    title = f"Calls per second that reached {target}, by how they ended"
    counts, found = _counts(found), series.rates(frame.steps, found)
    chart = stacked(frame, ENDED_AS, found, counts, title, height=LOW_PX, above=strip, levels=levels)
    states = [CIRCUIT[state] for state in CIRCUIT if any(span.words == state for span in spans)] if has_circuit else []
    said = "The strip above it is the circuit's state." if has_circuit else ""
    return Chart(chart.title, chart.svg, [*chart.legend, *states], said)


def _strip(frame: Frame, spans: Sequence[Span]) -> list[Spec]:
    top = -(STRIP_PX + 2)
    named = [
        {
            "x": (span.since + span.until) / 2,
            "words": frame.fitting(span, span.words.replace("_", "-")),
            "ink": "#000000" if span.colour == YELLOW else "#ffffff",
        }
        for span in spans
    ]
    layers = draw.bars(spans, top, STRIP_PX)
    for ink in ("#000000", "#ffffff"):
        rows = [row for row in named if row["ink"] == ink]
        layers.append(draw.words(rows, ink, y={"value": top + STRIP_PX / 2 + 0.5}, fontSize=11, fontWeight="bold"))
    return layers


def _later(frame: Frame, found: Mapping[str, Sequence[float]]) -> Chart:
    most = {name: f"at most {max(values):,.0f}" for name, values in found.items()}
    title = "Jobs and runs of the agent under way, by how they stood as their owners were last told"
    return stacked(frame, STANDS, found, most, title, height=LOW_PX)


def _in_flight(frame: Frame, evidence: Evidence) -> Chart:
    most = series.in_flight(frame.steps, evidence)
    look = Look("requests under way", DARK_GREY)
    title = "Requests under way at once, the most in each step, from when they were due to their ends"
    return stacked(frame, {"": look}, {"": most}, {"": f"at most {max(most):,.0f}"}, title, height=LOW_PX)


def _billed(frame: Frame, evidence: Evidence) -> Chart:
    usd = [(call.t - evidence.began, call.target, call.billed_nano_usd / 1e9) for call in evidence.calls]
    found = series.sums(frame.steps, usd)
    counts = {name: f"${sum(values):,.3f}" for name, values in found.items()}
    per_min = series.rates(frame.steps, found, 60.0)
    title = "USD per minute that the providers bill, at the time when the call began"
    return stacked(frame, BILLED, per_min, counts, title, height=LOW_PX, label=USD_LABEL)


def _spans(evidence: Evidence, during: Sequence[str]) -> list[Span]:
    """The phases of these names, or the whole run."""
    windows = [evidence.windows[name] for name in during if name in evidence.windows]
    windows = windows or [Window("", evidence.began, evidence.ended)]
    return [Span(window.since - evidence.began, window.until - evidence.began) for window in windows]


def _counts(found: Mapping[str, Sequence[float]]) -> dict[str, str]:
    return {name: f"{sum(values):,.0f}" for name, values in found.items()}
