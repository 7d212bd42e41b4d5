"""A picture: everything that charts need of one span of time, live or recorded. Read `figures.py` next.

Times are Unix seconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Band:
    """A fault window: what was injected where, from when until when; `end` is None while it lasts."""

    target: str
    label: str
    begin: float
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment with a label: `− cache` is a stage switched off, `+ cache` on."""

    t: float
    label: str


@dataclass(frozen=True, slots=True)
class Change:
    """A circuit that changed its state: closed, half_open or open, after so many failures in a row."""

    t: float
    provider: str
    state: str
    failures: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One span of time; `rows` are those of `rollup.py`, with seconds in `[begin, end)`."""

    begin: float
    end: float
    rows: pd.DataFrame
    bands: Sequence[Band] = ()
    marks: Sequence[Mark] = ()
    changes: Sequence[Change] = ()
    """Also the ones before `begin` that still hold."""
    told_until: float = math.inf
    """Seconds from here on are not whole yet: they are in `rows`, and in no series."""

    @property
    def width_s(self) -> float:
        """How long it is."""
        return self.end - self.begin

    def is_empty(self) -> bool:
        """Whether nothing ended in it."""
        return len(self.rows) == 0

    def cut(self, begin: float, end: float) -> "Picture":
        """The part `[begin, end)` of it."""
        seconds = self.rows["second"]
        return Picture(
            begin,
            end,
            self.rows[(seconds >= begin) & (seconds < end)],
            [band for band in self.bands if band.begin < end and (band.end is None or band.end > begin)],
            [mark for mark in self.marks if begin <= mark.t < end],
            [change for change in self.changes if change.t < end],
            self.told_until,
        )
