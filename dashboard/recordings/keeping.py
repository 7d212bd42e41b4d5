"""Keep what happened as a run: rows from the collector, faults from the simulator, all or nothing.

The collector bounds what it sends at once, so rows come in spans of time, each small enough to be whole. Everything is
written into a hidden folder that gets its name at the end. Read `recorder.py` next: from a start to a stop.
"""

import itertools
import math
import re
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import orjson
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from ..backends.all import Backends
from ..backends.collector import ARROW, QUERY_S, Collector
from ..backends.http import Away, Refused, shaped
from ..feed.rollup import ENDPOINTS, LONGEST_S
from . import events
from .listing import ABOUT, ATTEMPTS, EVENTS, HIDDEN, LONGEST_RUN_S, REQUESTS, Recording, recordings

SETTLES_S = 5.0
"""Telemetry of a moment has arrived after this time: workers export every half second, a busy machine later."""

PAGE_ROWS = 100_000
TOOK_TOO_LONG = 408
LEFT_S = 3600.0
"""A hidden folder this old was left by a process that was killed."""

LABEL_CHARACTERS = 80
NAME_CHARACTERS = 40


class NotKept(Exception):
    """Nothing was kept; the words say why."""


def record(
    backends: Backends,
    folder: Path,
    began: float,
    ended: float,
    label: str,
    *,
    now_s: Callable[[], float] = time.time,
    page_rows: int = PAGE_ROWS,
) -> Recording:
    """Keep what ended in `[began, ended]` (Unix seconds) in a folder of its own in `folder`.

    Takes what has been told: `ended` must be SETTLES_S ago. Without the simulator there are no fault windows, and the
    run says so. Raises NotKept, and Away or Refused when it is the collector.
    """
    if not began < ended:
        raise NotKept(f"it would end {began - ended:g} s before it began")
    if ended - began > LONGEST_RUN_S:
        raise NotKept(
            f"it is {(ended - began) / 3600:.0f} h long; the longest that can be kept is {LONGEST_RUN_S / 3600:.0f} h"
        )
    if (early_s := ended + SETTLES_S - now_s()) > 0:
        raise NotKept(f"telemetry of its end may be on its way for another {early_s:.1f} s; ask again then")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _tidy(folder, now_s())
        fresh = folder / f"{HIDDEN}new-{uuid.uuid4().hex}"
        fresh.mkdir()
        try:
            final = _name(folder, began, label)
            _write(fresh, final.name, backends, began, ended, label, page_rows)
            fresh.rename(final)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise NotKept(f"cannot write to {folder} ({error.strerror or type(error).__name__})") from error
    return next(run for run in recordings(folder)[0] if run.folder == final)


def first_request(collector: Collector, began: float, ended: float) -> float | None:
    """When the first chat request between arrived (Unix seconds); None without any. Raises Away and Refused."""
    asked = ", ".join(f"'{endpoint}'" for endpoint in ENDPOINTS)
    rows = collector.sql(_FIRST.format(endpoints=asked, since=int(began * 1e6), until=int(ended * 1e6)))
    t = rows["t"].iloc[0]
    return None if pd.isna(t) else float(t)


_FIRST = """
SELECT min(t) AS t FROM requests
WHERE endpoint IN ({endpoints}) AND "time" >= make_timestamp({since}) AND "time" < make_timestamp({until})"""


def _write(
    fresh: Path, run_id: str, backends: Backends, began: float, ended: float, label: str, page_rows: int
) -> None:
    since, until = int((began - LONGEST_S) * 1e6), math.ceil(ended * 1e6) + 1
    for name in (REQUESTS, ATTEMPTS):
        _write_rows(fresh / name, pages(backends.collector, Path(name).stem, since, until, page_rows))
    breakers, switches = events.of_collector(backends.collector, began, ended)
    notes = []
    try:
        faults = events.of_simulator(backends.simulator, began, ended)
    except (Away, Refused):
        faults = []
        notes.append("The simulator was away when this was kept: its fault windows are not known.")
    told = events.Events(faults, breakers, switches)
    (fresh / EVENTS).write_bytes(told.encoded())
    about = {
        "id": run_id,
        "began": began,
        "ended": ended,
        "label": _cleaned(label) or f"recorded, {ended - began:.0f} s",
        "command": "dashboard",
        "service": backends.service.url,
        "simulator": backends.simulator.url,
        "collector": backends.collector.url,
        "versions": {"gauntlet": version("gauntlet"), "python": ".".join(map(str, sys.version_info[:3]))},
        "stages_off": told.off_at(began),
        "notes": notes,
    }
    (fresh / ABOUT).write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2) + b"\n")


def _write_rows(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in tables:
            if len(table):
                writer.write_table(table)


def pages(collector: Collector, view: str, since: int, until: int, page_rows: int) -> Iterator[pa.Table]:
    """All rows of a view with a time in `[since, until)` (Unix microseconds), in order of time, at least one table.

    A span with more rows than the collector sends, or finds in time, is halved until each part is whole.
    Raises Away, Refused, NotKept.
    """
    width = until - since
    while since < until:
        end = min(since + width, until)
        table = _page(collector, view, since, end, page_rows)
        if table is not None:
            yield table.sort_by("time")
            since, width = end, width * 2
        elif end - since > 1:
            width = (end - since) // 2
        else:
            raise NotKept(f"more than {page_rows:,} {view} of the same microsecond")


def _page(collector: Collector, view: str, since: int, until: int, page_rows: int) -> pa.Table | None:
    """The rows of a span; None when they are not all there."""
    span = f'"time" >= make_timestamp({since}) AND "time" < make_timestamp({until})'
    question = {"sql": f"SELECT * FROM {view} WHERE {span}", "max_rows": page_rows}  # noqa: S608 - our names, numbers
    try:
        response = collector.response("POST", "/sql", question, headers={"Accept": ARROW}, read_s=QUERY_S)
    except Refused as error:
        if error.status == TOOK_TOO_LONG:
            return None
        raise
    if response.headers.get("x-truncated") == "true":
        return None

    def read() -> pa.Table:
        with pa.ipc.open_stream(response.data) as stream:
            return stream.read_all()

    return shaped(collector, read)


def _name(folder: Path, began: float, label: str) -> Path:
    """A folder that is not there yet, named for when it began and for what is safe of the label."""
    safe = re.sub(r"[^a-z0-9]+", "-", label.lower())[:NAME_CHARACTERS].strip("-")
    name = "-".join(filter(None, (time.strftime("%Y%m%d-%H%M%S", time.localtime(began)), safe)))
    copies = (name if copy == 1 else f"{name}-{copy}" for copy in itertools.count(1))
    return next(path for path in map(folder.joinpath, copies) if not path.exists())


def _cleaned(label: str) -> str:
    """One line of what can be seen."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in label).split())[:LABEL_CHARACTERS]


def _tidy(folder: Path, now: float) -> None:
    for left in folder.glob(f"{HIDDEN}*"):
        if re.match(r"\.(new|gone)-[0-9a-f]{32}$", left.name) and now - left.stat().st_mtime > LEFT_S:
            shutil.rmtree(left, ignore_errors=True)
