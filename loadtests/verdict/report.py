"""The HTML report of a load run, or of several laid over each other: one file for each. Read `charts.py` next.

Above the charts stands what they are read for: the verdict, each expectation with its reason, whether the load was put
on, what was broken when, and how to repeat it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loadtests.scenario.model import LLM_TARGETS
from loadtests.verdict import charts, overlays, page, sentences
from loadtests.verdict.evidence import Evidence, Window
from loadtests.verdict.judge import Judged, Verdict, amount
from loadtests.verdict.measures import MEASURES
from loadtests.verdict.page import Html
from loadtests.verdict.plots import Chart
from loadtests.verdict.told import Predicted, Told, figure

WORDS = {"pass": ("✓ PASS", "good"), "fail": ("✗ FAIL", "bad"), "unknown": ("? COULD NOT JUDGE", "unknown")}
PASSED = {True: ("✓ PASS", "good"), False: ("✗ FAIL", "bad"), None: ("? unknown", "unknown")}
FIGURES = (
    ("success", "success_share", None),
    ("degraded", "degraded_share", None),
    ("p50", "p50_ms", None),
    ("p95", "p95_ms", None),
    ("p99", "p99_ms", None),
    ("first token p95", "first_token_p95_ms", None),
    *((f"calls to {target}", "calls", target) for target in LLM_TARGETS),
    ("calls per request", "amplification", None),
    ("USD per 1,000", "usd_per_1000", None),
)
"""The columns of the table phase by phase: header, measure, target."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts: `rows` are a label with its cells, `headers` one more than a row has cells."""

    headers: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    caption: str = ""


def of_run(told: Told, predicted: Sequence[Predicted] = ()) -> str:
    """The page of one run, with what was predicted beside what came."""
    evidence = told.evidence
    title = f"{told.scenario.title} ({told.scenario.name or told.label})"
    parts = [
        page.element("h1", page.text(told.scenario.title)),
        page.paragraph(sentences.when(told), "soft"),
        page.paragraph(told.scenario.about),
        *_verdict(told.verdict),
        *_expectations(told.verdict),
        *_predictions(evidence, predicted),
        page.heading("Was the load put on, and do the books balance?"),
        page.paragraph(sentences.generator(evidence)),
        page.paragraph(sentences.books(told)),
        *(page.paragraph(note) for note in told.notes),
        page.heading("What happened"),
        _phases(told),
        *_repeat(told),
        page.heading("On one time axis"),
        page.paragraph(sentences.reading(evidence), "soft"),
        *_charts(charts.of_run(told, predicted)),
        *_figures(evidence),
    ]
    return page.document(title, parts)


def of_ablation(title: str, about: str, rows: Sequence[Told], table: Table) -> str:
    """The page of several runs: first the table, then all of them in one chart each, then each in words."""
    parts = [
        page.element("h1", page.text(title)),
        page.paragraph(about),
        page.table(
            table.headers,
            ([page.name(label), *(page.cell(words, "number") for words in cells)] for label, cells in table.rows),
            table.caption,
            range(1, len(table.headers)),
        ),
        page.heading("All runs on one time axis"),
        page.paragraph("Bands: something was broken. Dotted verticals: a phase ends and the next begins.", "soft"),
        *_charts(overlays.of_runs(rows)),
        page.heading("Run by run"),
    ]
    for told in rows:
        parts.append(page.element("h3", page.text(told.label)))
        parts += _verdict(told.verdict)
        broken = [one for one in told.verdict.judged if one.passed is False] if told.verdict else []
        parts += [
            page.paragraph(f"Broken: {one.about} is {one.said}, expected {_bound(one)}: {one.expected.why}")
            for one in broken
        ]
        parts.append(page.paragraph(sentences.generator(told.evidence)))
        parts += [page.paragraph(note) for note in told.notes]
        parts += [page.paragraph(f"Run {told.facts['run']}.", "soft")] if "run" in told.facts else []
    for told in rows[:1]:
        parts += _repeat(replace(told, facts={name: said for name, said in told.facts.items() if name != "run"}))
    return page.document(title, parts)


def write(path: Path, html: str) -> Path:
    """Put a page there, with the folders above it; the path. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8")
    return path


def _charts(drawn: Sequence[Chart]) -> list[Html]:
    return [page.figure(chart, is_first=place == 0) for place, chart in enumerate(drawn)]


def _verdict(verdict: Verdict | None) -> list[Html]:
    if verdict is None:
        return [page.paragraph("Nobody judged this run.", "soft")]
    word, tone = WORDS[verdict.word]
    kept = sum(one.passed is True for one in verdict.judged)
    said = verdict.reason or f"{kept} of {len(verdict.judged)} expectations are kept; books: {verdict.books}."
    strong, why = page.element("strong", page.text(word)), page.element("span", page.text(said))
    return [page.element("div", strong, why, kind=f"verdict {tone}")]


def _expectations(verdict: Verdict | None) -> list[Html]:
    if verdict is None:
        return []
    headers = ("Expectation", "Bound", "Measured", "Verdict", "Why it must hold")
    return [page.heading("What was promised"), page.table(headers, map(_expectation, verdict.judged), numbers=(1, 2))]


def _expectation(one: Judged) -> list[Html]:
    word, tone = PASSED[one.passed]
    said = [page.cell(_bound(one), "number"), page.cell(one.said, "number"), page.cell(word, tone)]
    return [page.name(one.about, MEASURES[one.expected.measure].words), *said, page.cell(one.expected.why)]


def _bound(one: Judged) -> str:
    return one.bound.replace(">=", "≥").replace("<=", "≤")


def _predictions(evidence: Evidence, predicted: Sequence[Predicted]) -> list[Html]:
    if not predicted:
        return []
    rows = []
    for one in predicted:
        measured = one.measured(evidence)
        asked = one.words or ", ".join([one.measure, *filter(None, [one.target]), *one.during])
        said = "nothing" if measured is None else amount(measured, one.unit)
        cells = (amount(one.value, one.unit), said, _apart(one.value, measured, one.unit))
        rows.append([page.name(asked), *(page.cell(words, "number") for words in cells)])
    headers = ("Predicted before the run", "Predicted", "Measured", "Measured to predicted")
    return [page.heading("Prediction and result"), page.table(headers, rows, numbers=(1, 2, 3))]


def _apart(value: float, measured: float | None, unit: str) -> str:
    """How far a prediction is from what came: in points for shares, else as a factor."""
    if measured is None:
        return ""
    if measured == value:
        return "exact"
    if unit == "share":
        return f"{(measured - value) * 100:+.1f} points"
    if min(value, measured) <= 0 or max(value, measured) == float("inf"):
        return ""
    return f"× {measured / value:,.2g}"


def _phases(told: Told) -> Html:
    evidence = told.evidence
    if not evidence.phases:
        return page.paragraph("No phase of it was begun.")
    planned = {phase.name: phase for phase in told.scenario.phase}
    narrated = any(phase.say for phase in told.scenario.phase)
    rows = []
    for number, window in enumerate(evidence.phases, 1):
        since, until = window.since - evidence.began, window.until - evidence.began
        phase = planned.get(window.name)
        load = sentences.load(phase) if phase else ""
        when = page.cell(f"{since:,.0f} to {until:,.0f} s", "short")
        cells = [load, sentences.broken(evidence, window, phase), *([phase.say if phase else ""] if narrated else [])]
        rows.append([page.name(f"{number} {window.name}"), when, *(page.cell(words) for words in cells)])
    headers = ["Phase", "When", "Load", "What was broken", *(["In words"] if narrated else [])]
    return page.table(headers, rows)


def _repeat(told: Told, title: str = "To repeat it") -> list[Html]:
    parts = [page.heading(title)] if title and (told.command or told.facts) else []
    parts += [page.command(told.command)] if told.command else []
    return [*parts, page.pairs(told.facts)] if told.facts else parts


def _figures(evidence: Evidence) -> list[Html]:
    if not evidence.phases:
        return []
    rows = []
    for window in evidence.phases:
        part = _part(evidence, window)
        cells = [f"{len(part.entries):,}"]
        for _, measure, target in FIGURES:
            value = figure(part, measure, target=target)
            cells.append("" if value is None else amount(value, MEASURES[measure].unit))
        rows.append([page.name(window.name), *(page.cell(words, "number") for words in cells)])
    headers = ("Phase", "Requests", *(header for header, _, _ in FIGURES))
    return [page.heading("Phase by phase"), page.table(headers, rows, numbers=range(1, len(headers)))]


def _part(evidence: Evidence, window: Window) -> Evidence:
    """The run as if it had had this phase only."""
    entries = [entry for entry in evidence.entries if window.since <= entry.t < window.until]
    calls = [call for call in evidence.calls if window.since <= call.t < window.until]
    return replace(evidence, phases=[window], entries=entries, calls=calls)
