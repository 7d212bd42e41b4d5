"""What is known when a run has ended: its books side by side, the windows of its faults, the changes of its circuits.

Whatever cannot be had is said in a note, and makes the verdict `unknown` where it matters. Read
`loadtests/verdict/judge.py` next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loadtests.books import client, ledger, wire
from loadtests.books.errors import CannotJudge
from loadtests.books.gather import Asked, judge
from loadtests.books.ledger import LedgerReader, ProviderLedger
from loadtests.books.run import Run
from loadtests.books.service import ServiceReader
from loadtests.conduct.world import World, label
from loadtests.load.beats import Beat
from loadtests.verdict.evidence import Band, Change, Evidence, Generator, Window
from loadtests.verdict.judge import BooksWord

_CIRCUITS = """
select epoch("time") as t, provider, state from breaker_events
where "time" between make_timestamp({since}) and make_timestamp({until}) order by t"""
MICROSECONDS = 1_000_000
NO_BOOKS: tuple[BooksWord, str] = ("not judged", "this service keeps none")


@dataclass(frozen=True, slots=True)
class Known:
    """The evidence, what the books say (a word, and a sentence), and notes for whoever reads the result."""

    evidence: Evidence
    books: tuple[BooksWord, str]
    notes: Sequence[str]
    lost: str | None = None
    """Why the client's book is not that of all that was sent."""


def gathered(
    run: Run,
    windows: Sequence[Window],
    beats: Sequence[Beat],
    world: World,
    events_since: int,
    process_bands: Sequence[Band],
    *,
    has_books: bool = True,
) -> Known:
    """All that is known of a run that has ended. A service that is none of ours keeps no book (`has_books`)."""
    notes: list[str] = []
    lines = client.read(run.folder) or client.ClientLines(())
    kept = ledger.snapshot(run.folder)
    ended = max([run.ended or 0.0, *(entry.ended for entry in lines.entries)])
    try:
        bands = _bands(world.events(events_since), ended)
    except CannotJudge as error:
        bands = []
        notes.append(f"The windows of the faults are not known: {error}.")
    try:
        changes = _changes(run, ended)
    except CannotJudge:
        changes = []
        notes.append("What the circuits did is not known: the collector was away.")
    rows = kept or ProviderLedger()
    evidence = Evidence(
        windows[0].since,
        max(ended, windows[-1].until),
        windows,
        sorted(lines.entries, key=lambda entry: entry.t),
        rows.calls,
        [charge for charge in rows.charges if charge.t >= run.began],
        sorted([*bands, *process_bands], key=lambda band: band.since),
        changes,
        _generator(beats),
        webhooks=[webhook for webhook in rows.webhooks if webhook.t >= run.began],
        has_ledger=kept is not None,
    )
    books = _books(run, lines, kept) if has_books else NO_BOOKS
    return Known(evidence, books, notes, _lost(lines, evidence.generator))


def _books(run: Run, lines: client.ClientLines, kept: ProviderLedger | None) -> tuple[BooksWord, str]:
    if kept is None:
        return "not judged", "the ledger of the providers could not be had"
    asked = Asked(run.began, run.ended or run.began, lines.entries, kept=kept)
    try:
        _, found = judge(asked, ServiceReader(run.collector), LedgerReader(run.simulator, run.ledger_seq))
    except CannotJudge as error:
        return "not judged", str(error)
    if found.balanced:
        return "balanced", ""
    first = found.differences[0]
    return "differences", f"{len(found.differences)} differences; the first: {first.what} of {first.request_id}"


def _bands(events: Sequence[dict[str, Any]], ended: float) -> list[Band]:
    open_bands: dict[int, Band] = {}
    bands = []
    for event in events:
        fault = event["fault"]
        if event["event"] == "started":
            open_bands[fault["index"]] = Band(fault["target"], label(fault), event["t"], ended)
        elif (band := open_bands.pop(fault["index"], None)) is not None:
            bands.append(Band(band.target, band.label, band.since, event["t"]))
    return [*bands, *open_bands.values()]


def _changes(run: Run, ended: float) -> list[Change]:
    span = {"since": int(run.began * MICROSECONDS), "until": int((ended + 1) * MICROSECONDS)}
    answer = wire.post("the collector", run.collector, "/sql", {"sql": _CIRCUITS.format(**span), "max_rows": 10_000})
    return [Change(t, provider, state) for t, provider, state in answer["rows"]]


def _generator(beats: Sequence[Beat]) -> Generator:
    return Generator(
        sum(beat.sent for beat in beats),
        sum(beat.not_sent for beat in beats),
        sum(beat.late for beat in beats),
        max((beat.latest_ms for beat in beats), default=0.0),
        max((beat.busy for beat in beats), default=0.0),
        max(len(beats), 1),
    )


def _lost(lines: client.ClientLines, generator: Generator) -> str | None:
    if len(lines.entries) == generator.sent and not lines.broken:
        return None
    return f"the client's book has {len(lines.entries):,} lines of the {generator.sent:,} requests that were sent"
