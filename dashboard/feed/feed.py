"""The feed: what happened in the last fifteen minutes, kept up to date by asking for the newest seconds only.

One per process, however many pages look at it. Each refresh asks the collector for the seconds that may still change
and the others for what is new, all at once, and none of them can hold up the rest. With a million requests in the
store that is a matter of the last ten seconds. Read `rollup.py` next: what a second is.
"""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pandas as pd  # type: ignore[import-untyped]

from ..backends.all import Backends, backends_of
from ..backends.http import Away, Refused
from ..settings import Settings, current
from . import rollup, switches
from .faults import Windows
from .picture import Change, Mark, Picture

KEPT_S = 15 * 60
"""How far back a page may look."""

SETTLES_S = 10
"""After so long a second has been told, usually: it is not asked for again with each refresh."""

LATE_S = 60
LATE_EVERY_S = 10
"""Every so often the last minute is asked for again: telemetry may come late."""

FRESH_S = 0.5
"""Another page within this time gets what is there."""

TELLS_S = 2
"""What ended so long ago has been told, usually: exporters and collector hold it for a second or so."""

SAME_SWITCH_S = 10

LEVELS_S = 20
"""A gauge that rests is told every 15 s."""


@dataclass(frozen=True, slots=True)
class Now:
    """What is only known of the present: the answer of `/ready`, bucket levels, and who is away."""

    at: float
    ready: dict[str, Any] | None = None
    levels: pd.DataFrame | None = None
    away: tuple[Away, ...] = ()
    refused: tuple[Refused, ...] = ()


@dataclass(slots=True)
class _Asked:
    """What one refresh heard."""

    rows: pd.DataFrame | None = None
    since: int = 0
    switched: pd.DataFrame | None = None
    changes: pd.DataFrame | None = None
    levels: pd.DataFrame | None = None
    ready: dict[str, Any] | None = None
    faults: dict[str, Any] | None = None
    away: list[Away] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class Feed:
    """Everything that Live shows; for any thread."""

    def __init__(self, backends: Backends, now_s: Callable[[], float] = time.time) -> None:
        self._backends = backends
        self._now_s = now_s
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(6, "feed")
        self._rows = rollup.empty()
        self._told_until = 0
        self._late_at = 0.0
        self._windows = Windows()
        self._versions: dict[int, tuple[float, frozenset[str]]] = {}
        self._changes: list[Change] = []
        self._switched: list[Mark] = []
        self.now = Now(0.0)
        self.fullest: dict[str, float] = {}
        """Bucket -> the most that was ever left in one of its kind: what a full one holds, or nearly."""

    def refresh(self) -> Now:
        """Ask for what is new, unless that was done a moment ago; what is away is in `now.away`."""
        with self._lock:
            at = self._now_s()
            if at - self.now.at >= FRESH_S:
                self._take(self._ask(at), at)
            return self.now

    def switched(self, label: str) -> None:
        """Somebody switched a stage from a page: a mark at once, until the service's own word of it is here."""
        with self._lock:
            self._switched.append(Mark(self._now_s(), label))

    def picture(self, width_s: float, end: float | None = None) -> Picture:
        """The span that ends at `end`, or at the last whole second."""
        with self._lock:
            until = math.floor(end if end is not None else self.now.at)
            whole = Picture(
                until - KEPT_S,
                until,
                self._rows,
                list(self._windows.bands),
                _with_own(switches.marks_of(self._versions), self._switched),
                list(self._changes),
                math.floor(self.now.at - TELLS_S),
            )
        return whole.cut(until - width_s, until)

    def _ask(self, at: float) -> _Asked:
        asked = _Asked()
        parts = (self._ask_collector, self._ask_service, self._ask_simulator)
        for done in [self._threads.submit(part, asked, at) for part in parts]:
            try:
                done.result()
            except Away as error:
                asked.away.append(error)
            except Refused as error:
                asked.refused.append(error)
        return asked

    def _ask_collector(self, asked: _Asked, at: float) -> None:
        is_late_turn = at - self._late_at >= LATE_EVERY_S
        back_s = LATE_S if is_late_turn else SETTLES_S
        asked.since = max(min(int(at) - back_s, self._told_until - back_s), int(at) - KEPT_S)
        ask = self._backends.collector.sql
        since = asked.since if self._told_until else 0  # first what still holds from long ago
        condition = f'"time" >= make_timestamp({since * 1_000_000})'
        switched = self._threads.submit(ask, switches.SQL.format(condition=condition))
        changes = self._threads.submit(ask, _CHANGES.format(condition=condition))
        levels = self._threads.submit(ask, _LEVELS)
        asked.rows = ask(rollup.sql(asked.since, int(at) + 1))
        asked.switched, asked.changes, asked.levels = switched.result(), changes.result(), levels.result()
        if is_late_turn:
            self._late_at = at

    def _ask_service(self, asked: _Asked, at: float) -> None:
        asked.ready = self._backends.service.ready()

    def _ask_simulator(self, asked: _Asked, at: float) -> None:
        asked.faults = self._backends.simulator.events(self._windows.last_seq)

    def _take(self, asked: _Asked, at: float) -> None:
        if asked.rows is not None:
            kept = self._rows[(self._rows["second"] < asked.since) & (self._rows["second"] >= at - KEPT_S)]
            self._rows = rollup.joined(kept, rollup.typed(asked.rows))
            self._told_until = int(at)
        if asked.switched is not None:
            self._take_switches(asked.switched)
        if asked.changes is not None:
            self._take_changes(asked.changes)
        if asked.levels is not None:
            for bucket, most in asked.levels.groupby("bucket")["level"].max().items():
                self.fullest[bucket] = max(self.fullest.get(bucket, 0.0), float(most))
        if asked.faults is not None:
            self._windows.take(asked.faults, at)
        self._forget(at - KEPT_S)
        self.now = Now(at, asked.ready, asked.levels, tuple(asked.away), tuple(asked.refused))

    def _take_switches(self, told: pd.DataFrame) -> None:
        for row in told.itertuples(index=False):
            first, _ = self._versions.get(row.version, (row.t, None))
            self._versions[row.version] = (min(first, row.t), switches.stages_of(row.off))

    def _take_changes(self, told: pd.DataFrame) -> None:
        known = {(change.t, change.provider, change.state) for change in self._changes}
        new = [Change(*row) for row in told.itertuples(index=False)]
        self._changes += [change for change in new if (change.t, change.provider, change.state) not in known]
        self._changes.sort(key=lambda change: change.t)

    def _forget(self, before: float) -> None:
        self._windows.forget(before)
        last = {change.provider: change for change in self._changes}
        self._changes = [change for change in self._changes if change.t >= before or last[change.provider] is change]
        self._switched = [mark for mark in self._switched if mark.t >= before]
        newest = max(self._versions, default=0)
        self._versions = {
            version: told for version, told in self._versions.items() if told[0] >= before or version == newest
        }


@cache
def feed_of(settings: Settings) -> Feed:
    """The feed from the backends of these settings."""
    return Feed(backends_of(settings))


def feed() -> Feed:
    """That of this process."""
    return feed_of(current())


_CHANGES = """
SELECT epoch("time") AS t, provider, state, coalesce(failures, 0) AS failures
FROM breaker_events WHERE {condition} AND provider IS NOT NULL AND state IS NOT NULL ORDER BY t"""


_LEVELS = f"""
SELECT attributes ->> 'gauntlet.tenant' AS tenant, attributes ->> 'gauntlet.bucket' AS bucket,
  arg_max(value, "time") AS level
FROM metric_points WHERE name = 'gauntlet.bucket.level' AND "time" >= now()::TIMESTAMP - INTERVAL {LEVELS_S} SECOND
GROUP BY 1, 2"""  # noqa: S608 - a number


def _with_own(told: list[Mark], own: list[Mark]) -> list[Mark]:
    """Marks of one's own until the same is told; both clocks are this machine's, or nearly."""
    untold = [
        mark
        for mark in own
        if not any(abs(mark.t - other.t) < SAME_SWITCH_S and mark.label in other.label for other in told)
    ]
    return sorted([*told, *untold], key=lambda mark: mark.t)
