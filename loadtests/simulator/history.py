"""The history of faults that started and ended, in two views: the open one, and the whole (DESIGN section 5).

What a hidden fault does is in the whole view alone. Each view numbers its events itself, 1, 2, 3 …, so the numbers of
the open one have no gap where something hidden happened; whoever follows with `since` therefore stays with one view.
Read `ledger.py` next: it records what came of the faults.
"""

from __future__ import annotations

from collections import deque
from typing import Any

MAX_EVENTS = 10_000
"""A view keeps this many events; older ones are forgotten."""


class View:
    """Events with their numbers; `last_seq` is that of the newest, 0 before the first."""

    def __init__(self) -> None:
        self.last_seq = 0
        self._events: deque[dict[str, Any]] = deque(maxlen=MAX_EVENTS)

    def add(self, event: dict[str, Any]) -> None:
        """Number an event and keep it."""
        self.last_seq += 1
        self._events.append({"seq": self.last_seq, **event})

    def after(self, since: int) -> list[dict[str, Any]]:
        """Return the events after number `since`, oldest first."""
        return [event for event in self._events if event["seq"] > since]


class History:
    """Both views; an event is `{"t", "event", "reason", "fault"}`, and gets its `seq` in each."""

    def __init__(self) -> None:
        self._open = View()
        self._whole = View()

    def add(self, event: dict[str, Any], *, hidden: bool) -> None:
        """Keep an event, also in the open view unless it is hidden."""
        self._whole.add(event)
        if not hidden:
            self._open.add(event)

    def view(self, *, hidden: bool) -> View:
        """Return the whole view when `hidden` is wanted, else the open one."""
        return self._whole if hidden else self._open
