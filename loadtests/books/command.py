"""`gauntlet books`: which books, of which time; then read, compare, and say it. Read `gather.py` next.

Exit code 0: they balance; 1: something differs and nothing explains it; 2: they could not be judged.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from loadtests.books import client, ledger, report
from loadtests.books.books import Books
from loadtests.books.errors import CannotJudge
from loadtests.books.gather import PATIENCE_S, Asked, judge
from loadtests.books.ledger import LedgerReader
from loadtests.books.run import Run
from loadtests.books.service import ServiceReader

BALANCED, DIFFERENT, NOT_JUDGED = 0, 1, 2
DEFAULT_LAST_S = 15 * 60.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are: the home with its runs, and base URLs. A run's own URLs count unless `moved`."""

    home: Path
    collector: str
    simulator: str
    moved: bool = False


def balance(
    places: Places,
    console: Console,
    *,
    run_id: str | None = None,
    since: float | None = None,
    as_json: bool = False,
    command: str = "gauntlet",
    patience_s: float = PATIENCE_S,
) -> int:
    """Judge a run, or the time `since` (Unix seconds); with neither the last run, or the last quarter of an hour.

    Returns the exit code. `command` is how the person calls us.
    """
    try:
        run = Run.find(places.home, run_id) if run_id else None if since else Run.latest(places.home)
        asked, notes, reader, provider = _of_run(places, run) if run else _of_time(places, since)
        books, found = judge(asked, reader, provider, patience_s=patience_s)
    except CannotJudge as error:
        if as_json:
            console.out(json.dumps({"verdict": "not judged", "reason": str(error)}, indent=2), highlight=False)
        else:
            console.print(f"not judged: {error}", markup=False, soft_wrap=True)
        return NOT_JUDGED
    found.notes = [*notes, *found.notes]
    if as_json:
        about = {"run": run.id if run else None, "since": books.since, "until": books.until}
        console.out(json.dumps(report.document(found, about), indent=2, ensure_ascii=False), highlight=False)
    else:
        report.show(found, _title(run, books), command, console)
    return BALANCED if found.balanced else DIFFERENT


def _of_run(places: Places, run: Run) -> tuple[Asked, list[str], ServiceReader, LedgerReader]:
    collector, simulator = (places.collector, places.simulator) if places.moved else (run.collector, run.simulator)
    lines = client.read(run.folder)
    notes: list[str] = []
    if lines is not None and lines.broken:
        notes += (f"line {number} of {client.NAME} is broken, and is left out" for number in lines.broken)
    if run.ended is None:
        notes.append("the run has not ended: its client still runs, or was killed")
    asked = Asked(
        run.began,
        run.ended or time.time(),
        None if lines is None else lines.entries,
        closed=run.ended is not None,
        kept=ledger.snapshot(run.folder),
    )
    return asked, notes, ServiceReader(collector), LedgerReader(simulator, run.ledger_seq)


def _of_time(places: Places, since: float | None) -> tuple[Asked, list[str], ServiceReader, LedgerReader]:
    now = time.time()
    asked = Asked(now - DEFAULT_LAST_S if since is None else since, now, clip=since is None)
    return asked, [], ServiceReader(places.collector), LedgerReader(places.simulator)


def _title(run: Run | None, books: Books) -> str:
    since, until = (time.strftime("%H:%M:%S", time.localtime(t)) for t in (books.since, books.until))
    day = time.strftime("%Y-%m-%d", time.localtime(books.since))
    if run is None:
        return f"The books from {since} to {until}, {day}"
    seed = "" if run.seed is None else f", seed {run.seed}"
    return f"The books of run {run.id}, {day} {since} to {until}{seed}"
