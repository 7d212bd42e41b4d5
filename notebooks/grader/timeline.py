"""What happened when, by the learner's clock: lanes of calls, waits and notes, and their picture of characters.

A picture of 72 columns is what a terminal, a notebook's cell and a bug report can all show. Read `feedback.py` next.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

CALLS, WAITS, STORE = "calls", "waits", "store"
WIDTH = 72
MOST_LANES = 12
LEAST_WORDS, MOST_WORDS = 14, 30
"""Columns kept at the right for what is said of the last events."""


@dataclass(slots=True)
class Event:
    """Something in a lane: at a moment (`until_s` equal to `at_s`) or over a time, `ok` or not, with a few words."""

    lane: str
    at_s: float
    until_s: float
    words: str = ""
    ok: bool = True


class Timeline:
    """The events of one probe, in the order in which they began."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, lane: str, at_s: float, until_s: float | None = None, words: str = "", *, ok: bool = True) -> Event:
        """Add an event; the caller may lengthen it and say more when it ends."""
        event = Event(lane, at_s, at_s if until_s is None else until_s, words, ok)
        self.events.append(event)
        return event

    def document(self) -> list[dict[str, Any]]:
        """The events as JSON."""
        return [asdict(event) for event in self.events]


def events_of(document: Sequence[dict[str, Any]]) -> list[Event]:
    """The inverse of `document`."""
    return [Event(**one) for one in document]


def drawn(events: Sequence[Event], width: int = WIDTH) -> list[str]:
    """The picture: an axis in seconds, and a line or more per lane.

    `●` a call that went well, `✗` one that did not, `├──┤` a wait; the words follow where there is room. What would
    look the same is one, with its number: `✗ 503 ×5`. Where nothing happens for the first half, the axis begins later.
    """
    if not events:
        return []
    lanes = list(dict.fromkeys(event.lane for event in events))[:MOST_LANES]
    label = max(map(len, lanes)) + 2
    room = width - label
    last_s, first_s = max(event.until_s for event in events), min(event.at_s for event in events)
    first_s = first_s if first_s > last_s / 2 else 0.0
    placed = [replace(event, at_s=event.at_s - first_s, until_s=event.until_s - first_s) for event in events]
    lasts_s = last_s - first_s
    words = max(len(event.words) for event in placed if event.until_s >= lasts_s / 2)
    scale = (room - min(max(LEAST_WORDS, words + 4), MOST_WORDS)) / lasts_s if lasts_s > 0 else 0.0
    lines = [" " * label + _axis(first_s, last_s, scale, room)]
    for lane in lanes:
        rows = _rows(_merged([event for event in placed if event.lane == lane], scale), scale, room)
        for number, row in enumerate(rows):
            lines.append(f"{lane if number == 0 else '':<{label}}{row}".rstrip())
    return lines


def _axis(first_s: float, last_s: float, scale: float, room: int) -> str:
    if not scale:
        return "all at one moment of the clock"
    step_s = next(one for one in _STEPS_S if one * scale >= 9)
    axis, number = [" "] * room, ceil(first_s / step_s)
    while number * step_s <= last_s + 1e-9:
        for place, letter in enumerate(f"|{number * step_s:g} s"):
            if (column := round((number * step_s - first_s) * scale) + place) < room:
                axis[column] = letter
        number += 1
    return "".join(axis).rstrip()


def _merged(events: Sequence[Event], scale: float) -> list[Event]:
    """Those of a lane that would look the same as one. Of waits too short to be drawn only the number is told."""
    groups: dict[Any, list[Event]] = {}
    for event in events:
        is_point = _length(event, scale) < SHORTEST
        when = round(event.at_s * scale) if is_point else (event.at_s, event.until_s)
        words = "" if is_point and event.lane == WAITS else event.words
        groups.setdefault((when, words, event.ok), []).append(event)
    return [
        alike[0] if len(alike) == 1 else replace(alike[0], words=f"{words} ×{len(alike)}".lstrip())
        for (_, words, _), alike in groups.items()
    ]


_STEPS_S = tuple(base * 10.0**power for power in range(-4, 8) for base in (1, 2, 5))
MOST_ROWS = 8
SHORTEST = 2
"""Columns of what is drawn as a line, and not as a point."""


def _rows(events: Sequence[Event], scale: float, room: int) -> list[str]:
    """As many lines as it takes for no two events of a lane to cover each other, up to MOST_ROWS."""
    rows: list[list[str]] = []
    for number, event in enumerate(events):
        mark = _mark(event, scale)
        start = min(round(event.at_s * scale), room - 1)
        text = (f"{mark} {event.words}" if event.words else mark)[: max(1, room - start)]
        end = start + len(text)
        row = next((row for row in rows if not "".join(row[max(0, start - 1) : end + 1]).strip()), None)
        if row is None:
            if len(rows) == MOST_ROWS:
                return [*_lines(rows), f"… and {len(events) - number} more"]
            row = [" "] * (room + 2)
            rows.append(row)
        row[start:end] = text
    return _lines(rows)


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    return ["".join(row).rstrip() for row in rows]


def _mark(event: Event, scale: float) -> str:
    length = _length(event, scale)
    if length >= SHORTEST:
        return "├" + "─" * (length - 1) + ("┤" if event.ok else "✗")
    return "●" if event.ok else "✗"


def _length(event: Event, scale: float) -> int:
    return round((event.until_s - event.at_s) * scale)
