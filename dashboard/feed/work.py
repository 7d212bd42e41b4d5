"""What is done after the answer: jobs, runs of the agent, webhooks. Asked for by the page Work alone, while it is open.

Two backends know of it, and each lives without the other. The service's lists say what waits, runs and ended, with its
progress, as it is now; the collector has what ended and every level second by second, also while the service is away.
Read `work_figures.py` next: what is made of it.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd  # type: ignore[import-untyped]

from ..backends.all import Backends, backends_of
from ..backends.http import Away, Refused
from ..settings import Settings, current
from .questions import WAIT_S, Questions

FRESH_S = 0.5
LISTS_S = 1.5
"""The service's lists are asked for so often at most: three requests each time."""

WANTED_S = 10.0
"""A width that no page has asked for in so long is asked for no more: pages refresh each second."""

LISTED = 20
MOST_WAITING = 200
MOST_ENDED = 20_000
BEFORE_S = 20
NOT_THERE = 404
"""What a service without a queue answers."""

LEVELS = (
    "gauntlet.queue.waiting",
    "gauntlet.queue.delayed",
    "gauntlet.queue.running",
    "gauntlet.queue.oldest",
    "gauntlet.webhooks.pending",
    "gauntlet.webhooks.oldest",
    "gauntlet.webhooks.dead",
    "gauntlet.agent.waiting",
    "gauntlet.agent.oldest_approval",
)
"""Gauges that only worker processes tell."""

_QUESTIONS = ("ended", "levels", "tries", "steps", "workers")
_MOMENT = {"ended": "t", "levels": "second", "tries": "second", "steps": "second"}
"""Frame -> its column that says when (Unix s)."""
_SQL = {name: files(__package__).joinpath(f"work_{name}.sql").read_text() for name in _QUESTIONS}
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lists:
    """What the service lists, newest first; None: it has no such thing (no queue, or no order desk)."""

    jobs: list[Row] | None = None
    runs: list[Row] | None = None
    waiting: list[Row] | None = None
    dead: list[Row] | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What was told: frames by the name of their SQL, lists; None where that backend has not told. `at` in Unix s."""

    at: float = 0.0
    frames: Mapping[str, pd.DataFrame] | None = None
    lists: Lists | None = None
    away: tuple[Away, ...] = ()
    refused: tuple[Refused, ...] = ()


@dataclass(slots=True)
class _Heard:
    """The last answers; those of the collector with the width for which they were asked, the widest wanted then."""

    frames: dict[str, pd.DataFrame] | None = None
    width_s: float = 0.0
    lists: Lists | None = None
    lists_at: float = field(default=0.0)


class WorkFeed:
    """What one admin key may see, for all pages of any width; without a key the collector's part. For any thread."""

    def __init__(self, backends: Backends, key: str | None, now_s: Callable[[], float] = time.time) -> None:
        self._backends, self._key, self._now_s = backends, key, now_s
        self._lock = threading.Lock()
        self._questions = Questions(ThreadPoolExecutor(len(_QUESTIONS) + 2, "work"))
        self._threads = ThreadPoolExecutor(len(_QUESTIONS), "work-sql")
        self._heard = _Heard()
        self._wanted: dict[float, float] = {}
        """Width -> when a page wanted it last."""
        self._now = Work()

    def refresh(self, width_s: float) -> Work:
        """What is known of the last `width_s`; asks first, unless that was done a moment ago. Takes less than a second.

        Pages of several widths share the answer to one question, that for the widest.
        """
        with self._lock:
            at, heard = self._now_s(), self._heard
            self._wanted[width_s] = at
            self._wanted = {width: last for width, last in self._wanted.items() if at - last < WANTED_S}
            if at - self._now.at >= FRESH_S or width_s > heard.width_s:
                self._ask(at, max(self._wanted))
                self._questions.hear(WAIT_S)
                amiss = self._questions.amiss
                if "service" in amiss:
                    heard.lists = None
                if "collector" in amiss:
                    heard.frames = None
                self._now = Work(at, heard.frames, heard.lists, self._questions.away, self._questions.refused)
            return replace(self._now, frames=_since(self._now.frames, int(at - width_s)))

    def look_again(self) -> None:
        """Something was just decided or begun: the next refresh asks for the lists, whenever it comes."""
        with self._lock:
            self._heard.lists_at = 0.0
            self._now = replace(self._now, at=0.0)

    def _ask(self, at: float, width_s: float) -> None:
        heard, collector, service = self._heard, self._backends.collector, self._backends.service

        def take_frames(told: dict[str, pd.DataFrame]) -> None:
            heard.frames, heard.width_s = told, width_s

        def take_lists(told: Lists) -> None:
            heard.lists = told

        self._questions.ask("collector", collector, lambda: self._ask_collector(int(at - width_s)), take_frames)
        if self._key is not None and at - heard.lists_at >= LISTS_S:
            heard.lists_at = at
            self._questions.ask("service", service, lambda: self._ask_service(self._key or ""), take_lists)

    def _ask_collector(self, since: int) -> dict[str, pd.DataFrame]:
        """In a thread of its own; the questions run beside each other."""
        names = ", ".join(f"'{name}'" for name in LEVELS)
        given = {"since_us": since * 1_000_000, "names": names, "most": MOST_ENDED, "before_s": BEFORE_S}
        ask = self._backends.collector.sql
        asked = {name: self._threads.submit(ask, sql.format(**given)) for name, sql in _SQL.items()}
        return {name: future.result() for name, future in asked.items()}

    def _ask_service(self, key: str) -> Lists:
        service = self._backends.service
        return Lists(
            jobs=_unless_absent(lambda: service.jobs(key, limit=LISTED)),
            runs=_unless_absent(lambda: service.runs(key, limit=LISTED)),
            waiting=_unless_absent(lambda: service.runs(key, limit=MOST_WAITING, status="waiting")),
            dead=_unless_absent(lambda: service.messages(key, "dead", limit=LISTED)),
        )


def _since(frames: Mapping[str, pd.DataFrame] | None, since: int) -> Mapping[str, pd.DataFrame] | None:
    """The rows from then on (Unix s); workers are no moments, and stay."""
    if frames is None:
        return None
    return {name: rows[rows[_MOMENT[name]] >= since] if name in _MOMENT else rows for name, rows in frames.items()}


def _unless_absent(ask: Callable[[], list[Row]]) -> list[Row] | None:
    """Its answer; None where the service does not know the path. Raises Away, and Refused for any other reason."""
    try:
        return ask()
    except Refused as error:
        if error.status == NOT_THERE:
            return None
        raise


@cache
def work_feed_of(settings: Settings, key: str | None) -> WorkFeed:
    """The feed from the backends of these settings."""
    return WorkFeed(backends_of(settings), key)


def work_feed(key: str | None) -> WorkFeed:
    """That of this process and key."""
    return work_feed_of(current(), key)
