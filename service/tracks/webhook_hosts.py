"""Slots per receiver: one that hangs takes a few of a worker's, and whoever finds them taken knows when to come again.

A message that finds no slot goes back into the queue for as long as those before it will take: coming sooner, hundreds
of them would keep the worker busy with nothing. Next: ``webhook_record.py``.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

LEAST_S = 0.5
MOST_S = 60.0
"""Bounds of the wait for a slot."""
NEW_SHARE = 0.3
"""Of the newest try in the average of how long they take."""


@dataclass(slots=True)
class _Host:
    held: int = 0
    took_s: float = 0.0
    waiting: set[str] = field(default_factory=set)


class Hosts:
    """Tries under way per receiver, in this worker: ``at_once`` of each."""

    def __init__(self, at_once: int, draw: Callable[[], float] = random.random) -> None:
        self._at_once = at_once
        self._draw = draw
        self._hosts: dict[str, _Host] = {}

    def take(self, host: str, message_id: str) -> float | None:
        """Take a slot: None when it is taken, else in how many seconds to ask again."""
        known = self._hosts.setdefault(host, _Host())
        if known.held < self._at_once:
            known.held += 1
            known.waiting.discard(message_id)
            return None
        known.waiting.add(message_id)
        expected_s = len(known.waiting) * known.took_s / self._at_once
        return min(max(expected_s, LEAST_S), MOST_S) * (0.5 + self._draw())

    def give_back(self, host: str, took_s: float) -> None:
        """A try has ended after so long. Nobody there any more: nothing is remembered of the host."""
        known = self._hosts[host]
        known.held -= 1
        known.took_s += NEW_SHARE * (took_s - known.took_s) if known.took_s else took_s
        if not known.held:
            del self._hosts[host]
