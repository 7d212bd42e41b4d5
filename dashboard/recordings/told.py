"""What was told of a span of time, written into a run's folder: events and rows. Read `rows.py` next.

Each file has another name until it is whole, and `requests.parquet` comes last: with it a run is complete.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..backends.collector import Collector
from ..backends.http import Away, Refused
from ..backends.simulator import Simulator
from ..feed.rollup import LONGEST_S
from . import events, rows
from .listing import ATTEMPTS, EVENTS, REQUESTS


@dataclass(frozen=True, slots=True)
class FaultWindow:
    """A fault that the simulator knows nothing of (`store`: `kill`, say), in Unix seconds; `ended` None: to the end."""

    target: str
    fault: str
    began: float
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What the manifest says of what was written: the stages that were off at the begin, and notes."""

    stages_off: list[str]
    notes: list[str]


def write(
    folder: Path,
    collector: Collector,
    simulator: Simulator,
    began: float,
    ended: float,
    *,
    page_rows: int = rows.PAGE_ROWS,
    extra_faults: Sequence[FaultWindow] = (),
) -> Told:
    """Events, attempts, requests, each under another name until it is whole.

    Raises NotKept, OSError, and Away or Refused when it is the collector.
    """
    breakers, switches = events.of_collector(collector, began, ended)
    notes = []
    try:
        faults = events.of_simulator(simulator, began, ended)
    except (Away, Refused):
        faults = []
        notes.append("The simulator was away when this was kept: its fault windows are not known.")
    faults = events.joined(faults, [(one.target, one.fault, one.began, one.ended) for one in extra_faults])
    told = events.Events(faults, breakers, switches)
    with _whole(folder / EVENTS) as path:
        path.write_bytes(told.encoded())
    since, until = int((began - LONGEST_S) * 1e6), math.ceil(ended * 1e6) + 1
    for name in (ATTEMPTS, REQUESTS):
        with _whole(folder / name) as path:
            rows.write(path, rows.pages(collector, Path(name).stem, since, until, page_rows))
    return Told(told.off_at(began), notes)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Another name to write to; it becomes `path` when all went well."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
