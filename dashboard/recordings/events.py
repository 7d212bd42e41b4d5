"""What happened beside the requests: faults, circuits, switches; asked for, kept in `events.json`, drawn.

Each is kept as who knows it tells it (docs/recorded-runs.md). Read `keeping.py` next.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import BaseModel, FiniteFloat

from ..backends.collector import Collector
from ..backends.simulator import Simulator
from ..feed import switches as stage_switches
from ..feed.faults import bands_of
from ..feed.picture import Band, Change, Mark

Event = dict[str, Any]

_BREAKERS = """
SELECT epoch("time") AS t, provider, state, max(coalesce(failures, 0)) AS failures
FROM breaker_events WHERE "time" <= make_timestamp({until}) AND provider IS NOT NULL AND state IS NOT NULL
GROUP BY ALL ORDER BY t"""


class _Fault(BaseModel):
    seq: int
    t: FiniteFloat
    event: str
    reason: str = ""
    fault: dict[str, Any]


class _Breaker(BaseModel):
    t: FiniteFloat
    provider: str
    state: str
    failures: int = 0


class _Switch(BaseModel):
    t: FiniteFloat
    version: int
    off: list[str]


@dataclass(frozen=True, slots=True)
class Events:
    """`faults` as of `GET /sim/events`; `breakers` `{t, provider, state, failures}`; `switches` `{t, version, off}`."""

    faults: list[Event] = field(default_factory=list)
    breakers: list[Event] = field(default_factory=list)
    switches: list[Event] = field(default_factory=list)

    def encoded(self) -> bytes:
        """As `events.json` has it."""
        return orjson.dumps(self, option=orjson.OPT_INDENT_2)

    def bands(self, ended: float) -> list[Band]:
        """The fault windows."""
        return bands_of(self.faults, ended)

    def changes(self) -> list[Change]:
        """The circuits' changes, in order."""
        rows = sorted(self.breakers, key=lambda row: row["t"])
        return [Change(row["t"], row["provider"], row["state"], row.get("failures") or 0) for row in rows]

    def marks(self) -> list[Mark]:
        """The switches of stages."""
        return stage_switches.marks_of(self._switched())

    def off_at(self, t: float) -> list[str]:
        """The stages that were off at that moment."""
        before = [off for at, _, off in stage_switches.changes_of(self._switched()) if at <= t]
        return sorted(before[-1]) if before else []

    def _switched(self) -> list[stage_switches.Switched]:
        return [(row["t"], row["version"], frozenset(row["off"])) for row in self.switches]


class _Kept(BaseModel):
    """`events.json`: what is read of each event, with its type."""

    faults: list[_Fault] = []
    breakers: list[_Breaker] = []
    switches: list[_Switch] = []


def decoded(content: bytes) -> Events:
    """What `events.json` says. Raises ValueError when it is something else."""
    kept = _Kept.model_validate_json(content).model_dump()
    events = Events(kept["faults"], kept["breakers"], kept["switches"])
    try:
        events.bands(0.0)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"a fault cannot be read: {error!r}") from error
    return events


def of_collector(collector: Collector, began: float, ended: float) -> tuple[list[Event], list[Event]]:
    """Circuits' changes and switches up to `ended`, with the last ones before `began`. Raises Away and Refused."""
    until = int(ended * 1e6)
    breakers: list[Event] = collector.sql(_BREAKERS.format(until=until)).to_dict("records")
    told = collector.sql(stage_switches.SQL.format(condition=f'"time" <= make_timestamp({until})'))
    changes = stage_switches.changes_of(stage_switches.rows_of(told))
    switches = [{"t": t, "version": version, "off": sorted(off)} for t, version, off in changes]
    return _since(breakers, began, "provider"), _since(switches, began, None)


def of_simulator(simulator: Simulator, began: float, ended: float) -> list[Event]:
    """The beginnings and ends of the faults that were there between. Raises Away and Refused."""
    return between(simulator.events(0)["events"], began, ended)


def between(events: Iterable[Event], began: float, ended: float) -> list[Event]:
    """Without the faults that had ended before, and without what came after."""
    kept: list[Event] = []
    running: dict[int, Event] = {}
    for event in events:
        index = event["fault"]["index"]
        if event["event"] == "started" and event["t"] < ended:
            running[index] = event
            kept.append(event)
        elif event["event"] == "ended" and (start := running.pop(index, None)) is not None:
            if event["t"] < began:
                kept.remove(start)
            elif event["t"] <= ended:
                kept.append(event)
    return kept


def joined(faults: Sequence[Event], windows: Iterable[tuple[str, str, float, float | None]]) -> list[Event]:
    """The simulator's events with those of `(target, fault, began, ended)` windows that others know of, in order.

    They get numbers (`seq`) anew, and indices after the simulator's.
    """
    first = max((event["fault"]["index"] for event in faults), default=-1) + 1
    made = list(faults)
    for index, (target, name, began, ended) in enumerate(windows, first):
        about = {"index": index, "target": target, "fault": name, "params": {}, "match": {}, "share": 1.0}
        made.append({"t": began, "event": "started", "reason": "plan", "fault": about})
        if ended is not None:
            made.append({"t": ended, "event": "ended", "reason": "window", "fault": about})
    if len(made) == len(faults):
        return made
    made.sort(key=lambda event: float(event["t"]))
    return [{**event, "seq": seq} for seq, event in enumerate(made, 1)]


def _since(rows: list[Event], began: float, of: str | None) -> list[Event]:
    """Those since `began`, and the last before it (of each `of`): that one still holds."""
    last: Mapping[Any, Event] = {row[of] if of else None: row for row in rows if row["t"] < began}
    return [*last.values(), *(row for row in rows if row["t"] >= began)]
