"""A run: a folder `.gauntlet/runs/ID` with `run.json`, the client's book, and the ledger's snapshot once it has ended.

Load scenarios use it like this: `run = Run.begin(home, …)`, then `with ClientBook(run.folder) as book` and one
`book.write(Entry(…))` per request, then `run.end()`. Read `client.py` next.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import orjson
from pydantic import TypeAdapter, ValidationError

from loadtests.books import ledger
from loadtests.books.errors import CannotJudge

RUNS = "runs"
NAME = "run.json"
SETTLE_S = 5.0
"""How long the snapshot waits for calls that still run when the load has ended."""

POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Run:
    """One run of load; times in Unix seconds. `ledger_seq` is the ledger's newest row when it began.

    `service`, `simulator` and `collector` are base URLs, `simulator` empty where the providers are the real ones. What
    stands below `ended` is docs/recorded-runs.md's.
    """

    folder: Path
    id: str
    began: float
    seed: int | None
    command: str
    service: str
    simulator: str
    collector: str
    ledger_seq: int = 0
    ended: float | None = None
    label: str | None = None
    scenario: str | None = None
    verdict: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    stages_off: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def begin(cls, home: Path, *, seed: int | None, command: str, service: str, simulator: str, collector: str) -> Self:
        """Make the folder and note what runs. Raises CannotJudge when the simulator is away."""
        seq = ledger.last_seq(simulator) if simulator else 0
        began = time.time()
        name = time.strftime("%Y%m%d-%H%M%S", time.localtime(began))
        folder, copy = home / RUNS / name, 1
        while folder.exists():
            copy += 1
            folder = home / RUNS / f"{name}-{copy}"
        folder.mkdir(parents=True)
        run = cls(folder, folder.name, began, seed, command, service, simulator, collector, seq)
        _write(run)
        return run

    def end(self, sleep: Callable[[float], None] = time.sleep) -> Self:
        """Note the end, then keep the ledger of the time between. Raises CannotJudge when the simulator is away."""
        ended = replace(self, ended=time.time())
        _write(ended)
        if not self.simulator:
            return ended
        reader = ledger.LedgerReader(self.simulator, self.ledger_seq)
        deadline = time.monotonic() + SETTLE_S
        kept = reader.read()
        while any(call.duration_s is None for call in kept.calls) and time.monotonic() < deadline:
            sleep(POLL_S)
            kept = reader.read()
        _replace(self.folder / ledger.NAME, ledger.encoded(kept))
        return ended

    def noting(self, **facts: Any) -> Self:
        """With these facts in its manifest too: any of `label` to `notes`."""
        noted = replace(self, **facts)
        _write(noted)
        return noted

    @classmethod
    def find(cls, home: Path, run_id: str) -> Self:
        """The run of this id. Raises CannotJudge when there is none."""
        found = cls._read(home / RUNS / run_id)
        if found is None:
            there = ", ".join(sorted(path.name for path in (home / RUNS).glob("*/"))[-5:]) or "none yet"
            raise CannotJudge(f"there is no run {run_id!r} in {home / RUNS}; the last ones are: {there}")
        return found

    @classmethod
    def latest(cls, home: Path) -> Self | None:
        """The run that began last; None when there is none."""
        runs = (cls._read(folder) for folder in (home / RUNS).glob("*/"))
        return max((run for run in runs if run is not None), key=lambda run: run.began, default=None)

    @classmethod
    def _read(cls, folder: Path) -> Self | None:
        try:
            return TypeAdapter(cls).validate_python({**orjson.loads((folder / NAME).read_bytes()), "folder": folder})
        except (OSError, ValueError, TypeError, ValidationError):
            return None


def _write(run: Run) -> None:
    about = {each.name: getattr(run, each.name) for each in fields(run) if each.name != "folder"}
    _replace(run.folder / NAME, orjson.dumps(about, option=orjson.OPT_INDENT_2) + b"\n")


def _replace(path: Path, content: bytes) -> None:
    """In one step, so that a reader never sees half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(path)
