"""From a run to the picture that every chart is drawn from, by the SQL of the live roll-up. Read `events.py` next.

Pictures are kept for as long as a run's files stay as they are.
"""

import glob
import math
import time
from functools import lru_cache
from pathlib import Path

import duckdb
import pandas as pd  # type: ignore[import-untyped]

from ..backends.all import backends_of
from ..backends.http import Away, Refused
from ..feed import figures as measuring
from ..feed import rollup
from ..feed.picture import Picture
from ..settings import Settings, current
from . import events
from .listing import ATTEMPTS, EVENTS, REQUESTS, Recording

ASKED_EVERY_S = 30.0
"""So long what the collector said of a run without rows is taken as its answer."""

ALONE: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""DuckDB beside the pages: few threads, nothing from the network."""


class NoPicture(ValueError):
    """A run has nothing to draw; the words say why."""


def picture(recording: Recording) -> Picture:
    """What happened in a run; of one without rows what the collector still knows. Raises NoPicture."""
    if recording.ended is None:
        raise NoPicture("It has not ended, or was killed before it did: only what its client noted is there.")
    if recording.has_rows:
        return _of_files(recording)
    found = _of_collector(recording, current(), int(time.monotonic() / ASKED_EVERY_S))
    if isinstance(found, NoPicture):
        raise found
    return found


@lru_cache(maxsize=1024)
def figures(recording: Recording) -> measuring.Figures:
    """The figures of a run that has rows. Raises NoPicture."""
    return measuring.figures(picture(recording))


def span(recording: Recording) -> tuple[int, int]:
    """The whole seconds of its picture, Unix time, `[begin, end)`: at least one."""
    begin = math.floor(recording.began)
    return begin, max(math.ceil(recording.ended or 0.0), begin + 1)


@lru_cache(maxsize=12)
def _of_files(recording: Recording) -> Picture:
    begin, end = span(recording)
    try:
        rows = rollup.typed(_rolled_up(recording.folder, rollup.sql(begin, end)))
    except (OSError, duckdb.Error) as error:
        raise NoPicture(f"Its rows cannot be read: {str(error).splitlines()[0]}") from error
    path = recording.folder / EVENTS
    try:
        told = events.decoded(path.read_bytes()) if path.exists() else events.Events()
    except (OSError, ValueError) as error:
        raise NoPicture(f"{EVENTS} cannot be read ({error}).") from error
    return _drawn(recording, rows, told)


def _rolled_up(folder: Path, query: str) -> pd.DataFrame:
    with duckdb.connect(config=ALONE) as connection:
        for name in (REQUESTS, ATTEMPTS):
            connection.read_parquet(glob.escape(str(folder / name))).create_view(Path(name).stem)
        return connection.sql(query).to_arrow_reader().read_pandas()


@lru_cache(maxsize=12)
def _of_collector(recording: Recording, settings: Settings, turn: int) -> Picture | NoPicture:
    """What it says in this turn of ASKED_EVERY_S; refusals are remembered as well."""
    backends = backends_of(settings)
    begin, end = span(recording)
    try:
        rows = rollup.typed(backends.collector.sql(rollup.sql(begin, end)))
        breakers, switches = events.of_collector(backends.collector, begin, end)
    except (Away, Refused) as error:
        return NoPicture(f"Only its books are there; what else was told is not to be had: {error}.")
    if rows.empty:
        return NoPicture("Only its books are there: the collector knows nothing of that time any more.")
    try:
        faults = events.of_simulator(backends.simulator, begin, end)
    except (Away, Refused):
        faults = []
    return _drawn(recording, rows, events.Events(faults, breakers, switches))


def _drawn(recording: Recording, rows: pd.DataFrame, told: events.Events) -> Picture:
    begin, end = span(recording)
    return Picture(begin, end, rows, told.bands(end), told.marks(), told.changes()).cut(begin, end)
