"""The feed: what happened in the last fifteen minutes, kept up to date by asking for the newest seconds only.

One per process, however many pages look at it. Each refresh asks the collector for the seconds that may still change
and the others for what is new, all at once, and none of them can hold up the rest. With a million requests in the
store that is a matter of the last ten seconds. Read `questions.py` next: how nobody is waited for.
"""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd  # type: ignore[import-untyped]

from ..backends.all import Backends, backends_of
from ..backends.http import Away, Refused
from ..settings import Settings, current
from . import rollup, switches
from .faults import Windows
from .picture import Change, Mark, Picture
from .questions import OVERDUE_S, WAIT_S, Questions

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
class _Told:
    """What the collector told in one refresh."""

    rows: pd.DataFrame
    since: int
    until: int
    switched: pd.DataFrame
    changes: pd.DataFrame
    levels: pd.DataFrame


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
        self._told_switches: set[switches.Switched] = set()
        self._changes: list[Change] = []
        self._switched: list[Mark] = []
        self._questions = Questions(self._threads)
        self._ready: dict[str, Any] | None = None
        self._levels: pd.DataFrame | None = None
        self.now = Now(0.0)
        self.fullest: dict[str, float] = {}
        """Bucket -> the most that was ever left in one of its kind: what a full one holds, or nearly."""

    def refresh(self) -> Now:
        """Ask for what is new, unless that was done a moment ago; what is away is in `now.away`.

        It waits for less than a second: who answers later is heard in a later refresh, who takes too long is away.
        """
        with self._lock:
            at = self._now_s()
            if at - self.now.at >= FRESH_S:
                self._ask(at)
                self._hear(at)
                self._forget(at - KEPT_S)
            return self.now

    @property
    def told_until(self) -> float:
        """Up to when the collector was asked and answered (Unix seconds)."""
        return float(self._told_until)

    @property
    def has_heard(self) -> bool:
        """Whether the collector has answered at all: before that nothing is known, which is not the same as nothing."""
        return self._told_until > 0

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
                _with_own(switches.marks_of(self._told_switches), self._switched),
                list(self._changes),
                self._told_until - TELLS_S,
            )
        return whole.cut(until - width_s, until)

    def _ask(self, at: float) -> None:
        """Ask each that still owes no answer."""
        collector, service, simulator = self._backends.collector, self._backends.service, self._backends.simulator
        told_until, seq = self._told_until, self._windows.last_seq
        for backend, question, take in (
            (collector, lambda: self._ask_collector(at, told_until), self._take),
            (service, service.ready, self._take_ready),
            (simulator, lambda: simulator.events(seq), lambda told: self._windows.take(told, at)),
        ):
            self._questions.ask(backend.name, backend, question, take)

    def _hear(self, at: float) -> None:
        """Take what was answered in time."""
        questions = self._questions
        questions.hear(WAIT_S if self.has_heard else OVERDUE_S)
        if "service" in questions.amiss:
            self._ready = None
        if "collector" in questions.amiss:
            self._levels = None
        self.now = Now(at, self._ready, self._levels, questions.away, questions.refused)

    def _ask_collector(self, at: float, told_until: int) -> _Told:
        """In a thread of its own; the smaller questions run beside the large one."""
        is_late_turn = at - self._late_at >= LATE_EVERY_S
        back_s = LATE_S if is_late_turn else SETTLES_S
        since = max(min(int(at), told_until) - back_s, int(at) - KEPT_S)
        ask = self._backends.collector.sql
        holds_since = since if told_until else 0  # first what still holds from long ago
        condition = f'"time" >= make_timestamp({holds_since * 1_000_000})'
        switched = self._threads.submit(ask, switches.SQL.format(condition=condition))
        changes = self._threads.submit(ask, _CHANGES.format(condition=condition))
        levels = self._threads.submit(ask, _LEVELS)
        rows = rollup.typed(ask(rollup.sql(since, int(at) + 1)))
        told = _Told(rows, since, int(at), switched.result(), changes.result(), levels.result())
        if is_late_turn:
            self._late_at = at
        return told

    def _take(self, told: _Told) -> None:
        kept = self._rows[(self._rows["second"] < told.since) & (self._rows["second"] >= told.until - KEPT_S)]
        self._rows = rollup.joined(kept, told.rows)
        self._told_until, self._levels = told.until, told.levels
        self._told_switches.update(switches.rows_of(told.switched))
        self._take_changes(told.changes)
        for bucket, most in told.levels.groupby("bucket")["level"].max().items():
            self.fullest[bucket] = max(self.fullest.get(bucket, 0.0), float(most))

    def _take_ready(self, ready: dict[str, Any]) -> None:
        self._ready = ready

    def _take_changes(self, told: pd.DataFrame) -> None:
        known = {(change.t, change.provider, change.state) for change in self._changes}
        new = [Change(*row) for row in told.itertuples(index=False)]
        self._changes += [change for change in new if (change.t, change.provider, change.state) not in known]
        self._changes.sort(key=lambda change: change.t)

    def _forget(self, before: float) -> None:
        """Forget what is older, but what held then: the last change of each circuit, and of the switches."""
        self._windows.forget(before)
        old = [change for change in self._changes if change.t < before]
        held = {change.provider: change for change in old}
        self._changes = [*held.values(), *(change for change in self._changes if change.t >= before)]
        self._switched = [mark for mark in self._switched if mark.t >= before]
        last = max((t for t, *_ in self._told_switches if t < before), default=0.0)
        self._told_switches = {told for told in self._told_switches if told[0] >= last}


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
