"""The clock that a learner's code waits by: time passes when everybody waits, so that a minute costs nothing.

It stands while a call is under way (`busy`), and else jumps to the next moment somebody sleeps until. So what is waited
is seen to the last digit on however slow a machine. Read `world.py` next.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

MOST_SLEEPS = 4_000
"""A loop that waits more often than this will never end."""
TURNS = 30
"""So often the loop turns without anybody beginning a call before time passes."""


class Endless(Exception):
    """The code sleeps on and on."""


@dataclass(slots=True)
class Slept:
    """One sleep: from when until when, in seconds of this clock."""

    at_s: float
    until_s: float


class Clock:
    """Seconds since the probe began; `sleep` instead of `asyncio.sleep`."""

    def __init__(self, said: Callable[[Slept], None] = lambda slept: None) -> None:
        self._now_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._busy = 0
        self._free = asyncio.Event()
        self._free.set()
        self._passing: asyncio.Task[None] | None = None
        self._said = said
        self.slept: list[Slept] = []

    def now(self) -> float:
        """Seconds since the probe began; it never goes back."""
        return self._now_s

    async def sleep(self, delay_s: float) -> None:
        """Wait until `delay_s` seconds of this clock have passed. Raises Endless for one that will never end."""
        if len(self.slept) >= MOST_SLEEPS:
            raise Endless
        slept = Slept(self._now_s, self._now_s + max(0.0, delay_s))
        self.slept.append(slept)
        self._said(slept)
        await self.takes(delay_s)

    async def takes(self, duration_s: float) -> None:
        """Time that a call takes: as a sleep, which is nobody's decision to wait."""
        until_s = self._now_s + max(0.0, duration_s)
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (until_s, next(self._numbers), woken))
        if self._passing is None or self._passing.done():
            self._passing = asyncio.create_task(self._pass(), name="the clock")
        await woken

    def advance(self, by_s: float) -> None:
        """Let time pass for whoever asks, as if nobody had slept meanwhile: for a probe, between two of its steps."""
        self._now_s += by_s

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Time stands while the block runs: a call is under way."""
        self._busy += 1
        self._free.clear()
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._free.set()

    async def _pass(self) -> None:
        while self._sleepers:
            if not await self._all_wait():
                continue
            until_s, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                self._now_s = max(self._now_s, until_s)
                woken.set_result(None)

    async def _all_wait(self) -> bool:
        await self._free.wait()
        for _ in range(TURNS):
            await asyncio.sleep(0)
            if self._busy:
                return False
        return True
