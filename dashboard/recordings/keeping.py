"""Keep what happened as a run: rows from the collector, faults from the simulator, all or nothing.

What a person records is written into a hidden folder that gets its name at the end; what a load began is completed in
its own folder. Read `told.py` next, or `recorder.py`: from a start to a stop.
"""

import itertools
import re
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import pandas as pd  # type: ignore[import-untyped]

from ..backends.all import Backends
from ..backends.collector import Collector
from ..backends.simulator import Simulator
from ..feed.rollup import ENDPOINTS
from .listing import ABOUT, HIDDEN, LONGEST_RUN_S, Recording, recordings
from .rows import PAGE_ROWS, NotKept
from .told import FaultWindow, Told, write

SETTLES_S = 5.0
"""Telemetry of a moment has arrived after this time: workers export every half second, a busy machine later."""

LEFT_S = 3600.0
"""A hidden folder this old was left by a process that was killed."""

LABEL_CHARACTERS = 80
NAME_CHARACTERS = 40


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
    _check(began, ended)
    if (early_s := ended + SETTLES_S - now_s()) > 0:
        raise NotKept(f"telemetry of its end may be on its way for another {early_s:.1f} s; ask again then")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _tidy(folder, now_s())
        fresh = folder / f"{HIDDEN}new-{uuid.uuid4().hex}"
        fresh.mkdir()
        try:
            final = _name(folder, began, label)
            told = write(fresh, backends.collector, backends.simulator, began, ended, page_rows=page_rows)
            about = {"id": final.name, **_about(backends, began, ended, label, told)}
            (fresh / ABOUT).write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2) + b"\n")
            fresh.rename(final)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise NotKept(f"cannot write to {folder} ({error.strerror or type(error).__name__})") from error
    return next(run for run in recordings(folder)[0] if run.folder == final)


def first_request(collector: Collector, began: float, ended: float) -> float | None:
    """When the first chat request between arrived (Unix seconds); None without any. Raises Away and Refused."""
    asked = ", ".join(f"'{endpoint}'" for endpoint in ENDPOINTS)
    found = collector.sql(_FIRST.format(endpoints=asked, since=int(began * 1e6), until=int(ended * 1e6)))
    t = found["t"].iloc[0]
    return None if pd.isna(t) else float(t)


_FIRST = """
SELECT min(t) AS t FROM requests
WHERE endpoint IN ({endpoints}) AND "time" >= make_timestamp({since}) AND "time" < make_timestamp({until})"""


def complete(
    folder: Path,
    began: float,
    ended: float,
    *,
    simulator: str,
    collector: str,
    extra_faults: Sequence[FaultWindow] = (),
    now_s: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Told:
    """Add the events and all rows to a run's folder whose `run.json` has its `ended`; `[began, ended]` in Unix seconds.

    `simulator` and `collector` are base URLs. Waits until SETTLES_S after `ended`. `requests.parquet` comes last, and
    each file is whole or not there. Returns what belongs into `run.json`. Raises NotKept, Away and Refused (of
    `dashboard.backends.http`): without the collector there are no rows.
    """
    _check(began, ended)
    if (early_s := ended + SETTLES_S - now_s()) > 0:
        sleep(early_s)
    asked = Collector("collector", collector), Simulator("simulator", simulator)
    try:
        return write(folder, *asked, began, ended, extra_faults=extra_faults)
    except OSError as error:
        raise NotKept(f"cannot write to {folder} ({error.strerror or type(error).__name__})") from error


def _check(began: float, ended: float) -> None:
    if not began < ended:
        raise NotKept(f"it would end {began - ended:g} s before it began")
    if ended - began > LONGEST_RUN_S:
        raise NotKept(
            f"it is {(ended - began) / 3600:.0f} h long; the longest that can be kept is {LONGEST_RUN_S / 3600:.0f} h"
        )


def _about(backends: Backends, began: float, ended: float, label: str, told: Told) -> dict[str, Any]:
    """The manifest of what a person kept, but for its id."""
    return {
        "began": began,
        "ended": ended,
        "label": _cleaned(label) or f"recorded, {ended - began:.0f} s",
        "command": "dashboard",
        "service": backends.service.url,
        "simulator": backends.simulator.url,
        "collector": backends.collector.url,
        "versions": {"gauntlet": version("gauntlet"), "python": ".".join(map(str, sys.version_info[:3]))},
        "stages_off": told.stages_off,
        "notes": told.notes,
    }


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
