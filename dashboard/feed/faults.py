"""Fault windows out of the simulator's history of events. Read `feed.py` next."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .picture import Band


class Windows:
    """Follows `GET /sim/events`; a simulator that was started anew has ended what it injected."""

    def __init__(self) -> None:
        self.bands: list[Band] = []
        self.last_seq = 0
        self._open: dict[int, int] = {}
        """Index of the fault in the simulator's plan -> place among the bands."""

    def take(self, told: Mapping[str, Any], now: float) -> None:
        """Add what `GET /sim/events?since=LAST_SEQ` told."""
        if told["last_seq"] < self.last_seq:  # another simulator: ask it from its beginning
            self.lost(now)
            self.last_seq = 0
            return
        for event in told["events"]:
            self._add(event)
        self.last_seq = told["last_seq"]

    def lost(self, now: float) -> None:
        """Nothing is injected any more by the one that we knew."""
        for place in self._open.values():
            self.bands[place] = replace(self.bands[place], end=now)
        self._open.clear()

    def forget(self, before: float) -> None:
        """Forget the windows that ended before that moment."""
        kept = [place for place, band in enumerate(self.bands) if band.end is None or band.end >= before]
        moved = {old: new for new, old in enumerate(kept)}
        self.bands = [self.bands[place] for place in kept]
        self._open = {index: moved[place] for index, place in self._open.items()}

    def _add(self, event: Mapping[str, Any]) -> None:
        fault = event["fault"]
        if event["event"] == "started":
            self._open[fault["index"]] = len(self.bands)
            self.bands.append(Band(fault["target"], label(fault), event["t"]))
        elif (place := self._open.pop(fault["index"], None)) is not None:
            self.bands[place] = replace(self.bands[place], end=event["t"])


def bands_of(events: Sequence[Mapping[str, Any]], now: float) -> list[Band]:
    """The windows of a whole history."""
    windows = Windows()
    windows.take({"events": events, "last_seq": max((event["seq"] for event in events), default=0)}, now)
    return windows.bands


def label(fault: Mapping[str, Any]) -> str:
    """A fault in a few words: `anthropic: status 503, 50 %`."""
    params, match = fault.get("params") or {}, fault.get("match") or {}
    words = [f"{fault['target']}: {fault['fault'].replace('_', ' ')}"]
    if "status" in params:
        words[0] += f" {params['status']}"
    words += [
        f"{name.replace('_', ' ')} {value}" for name, value in params.items() if name not in ("status", "message")
    ]
    words += [f"{name} {value}" for name, value in match.items() if value is not None]
    if fault.get("share", 1.0) < 1.0:
        words.append(f"{fault['share']:.0%}".replace("%", " %"))
    if fault.get("times"):
        words.append(f"{fault['times']} times")
    return ", ".join(words)
