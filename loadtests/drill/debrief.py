"""What is said when a drill is over: the points, what was hidden, what happened when, what would have helped.

Read `loadtests/verdict/show.py` next: the same for a scenario. `document` is `drill.json` beside the run's books.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadtests.books.client import Entry
from loadtests.conduct.world import label
from loadtests.drill import objective
from loadtests.drill.drill import Played
from loadtests.drill.score import Score, Truth

GOOD, FAIR = 80, 50


def debrief(played: Played, console: Console, again: str) -> None:
    """Print it; `again` is the command that plays the same."""
    if played.truth is None or played.score is None:
        console.print(Text("It was over before anything broke: there is nothing to score.", style="bold yellow"))
        if played.moves.times("alarm", "diagnose"):
            console.print("Whatever you saw was no incident.")
        _line(console, "the same again", again)
        return
    truth, score, incident = played.truth, played.score, played.planned.incident
    console.print()
    style = "bold green" if score.points >= GOOD else "bold yellow" if score.points >= FAIR else "bold red"
    console.print(Text.assemble((f"{score.points} of 100 points", style), (f"   {incident.title}", "bold")))
    console.print(_points(score))
    console.print(Text("What happened", style="bold"))
    console.print(_timeline(played, truth, score))
    for name, said in (
        ("what it was", f"{label(played.planned.fault())}, for {min(truth.ended, played.over) - truth.began:.0f} s"),
        ("off before", ", ".join(incident.off) or None),
        ("what is seen", incident.seen),
        ("why", incident.why),
        ("what helps", incident.helps),
    ):
        if said:
            _line(console, name, said)
    _line(console, "where it shows", f"{incident.notice} {incident.find}")
    for entry, why in telling(played.finished.evidence.entries, truth, score, played.over):
        _line(console, "request", f"{entry.request_id} (Request page, or `trace`): {why}")
    if reason := _doubt(played):
        console.print(Text(f"Take the figures with care: {reason}.", style="yellow"))
    _line(console, "the same again", again)


def telling(entries: Sequence[Entry], truth: Truth, score: Score, over: float) -> Sequence[tuple[Entry, str]]:
    """Two requests that tell the story, and what each shows: one that it hurt, and one that came through."""
    asked = [entry for entry in entries if truth.began <= entry.t < over and objective.counts(entry)]
    hurt = next((entry for entry in asked if not objective.good(entry)), None)
    found = [] if hurt is None else [(hurt, f"the first that it hurt: {_ended(hurt)}")]
    well_at = truth.began if score.mitigated_s is None else truth.began + score.mitigated_s
    well = [entry for entry in asked if objective.good(entry) and entry.source not in ("cache", "shared")]
    for entry in sorted(well, key=lambda entry: (entry.t < well_at, not entry.degraded, entry.t)):
        if entry.degraded:
            return [*found, (entry, f"answered all the same: {_ended(entry)}")][:2]
        return [*found, (entry, f"answered as wished: {_ended(entry)}")][:2]
    return found


def document(played: Played) -> dict[str, Any]:
    """As `drill.json` has it; times in Unix seconds."""
    incident, truth, score = played.planned.incident, played.truth, played.score
    return {
        "seed": played.finished.seed,
        "practice": played.practice,
        "incident": incident.name,
        "title": incident.title,
        "fault": played.planned.fault(),
        "off": list(incident.off),
        "route": incident.route,
        "began": played.began,
        "over": played.over,
        "truth": None if truth is None else asdict(truth),
        "moves": [asdict(move) for move in played.moves.made],
        "diagnoses": [asdict(diagnosis) for diagnosis in played.moves.diagnoses],
        "score": None if score is None else {**asdict(score), "spent": score.budget.spent},
        "doubt": _doubt(played),
    }


def _points(score: Score) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    for part in score.parts:
        points = f"{part.points:.0f} of {part.most:.0f}" if part.most else f"{part.points:.0f}"
        table.add_row(part.name, Text(part.said), Text(points, style=_mood(part.points, part.most)))
    return table


def _mood(points: float, most: float) -> str:
    share = points / most if most else -1.0
    return "green" if share >= 0.75 else "yellow" if share >= 0.25 else "red"


def _timeline(played: Played, truth: Truth, score: Score) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1), show_header=False)
    table.add_column(justify="right", no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    table.add_column()
    for t, who, words in sorted(_events(played, truth, score), key=lambda event: event[0]):
        style = {"hidden": "red", "you": "bold cyan"}.get(who, "")
        table.add_row(f"{t - played.began:.0f} s", Text(who, style=style), Text(words, style=style))
    return table


def _events(played: Played, truth: Truth, score: Score) -> Iterator[tuple[float, str, str]]:
    incident = played.planned.incident
    if incident.off:
        yield played.began, "hidden", f"{' and '.join(incident.off)} had been left off"
    if incident.route:
        yield played.began, "hidden", f"the load had been turned to the route {incident.route}"
    yield truth.began, "hidden", f"{label(played.planned.fault())}: it begins"
    states: dict[str, str] = {}
    for change in played.finished.evidence.changes:
        told = states.get(change.provider) == change.state  # by another worker
        states[change.provider] = change.state
        if played.began <= change.t < played.over and not told:
            yield change.t, "service", f"the circuit of {change.provider} is {change.state.replace('_', ' ')}"
    for move in played.moves.made:
        early = " (a false alarm)" if move.what in ("alarm", "diagnose") and move.t < truth.began else ""
        yield move.t, "you", f"{move.words}{early}"
    if score.mitigated_s == 0:
        yield truth.began, "load", "it hurts nobody: 98 % are good at all times"
    elif score.mitigated_s is not None:
        yield (
            truth.began + score.mitigated_s,
            "load",
            "well again: 98 % and more of what was due from here on",
        )
    yield played.over, "load", f"the drill is over{'' if score.mitigated_s is not None else ', and it is not well'}"


def _ended(entry: Entry) -> str:
    """How a request ended, in a few words."""
    words = [entry.endpoint, "streamed" if entry.stream else ""]
    if entry.stream and entry.first_token_ms is not None:
        words.append(f"first token after {entry.first_token_ms:,.0f} ms")
    words.append(f"{entry.outcome}{f' ({entry.status})' if entry.outcome != 'answered' else ''}")
    words.append(f"after {entry.duration_ms:,.0f} ms")
    words.append(f"degraded by {', '.join(entry.degraded)}" if entry.degraded else "")
    return ", ".join(word for word in words if word)


def _doubt(played: Played) -> str | None:
    """Why the load was not what it should have been; a drill that was ended early is none."""
    generator = played.finished.evidence.generator
    reason = played.finished.verdict.reason
    return reason if reason and (generator.not_sent or "saturated" in reason or "books" in reason) else None


def _line(console: Console, name: str, said: str) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=14, style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(name), Text(said))
    console.print(table)
