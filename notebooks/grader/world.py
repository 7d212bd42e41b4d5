"""What a probe is given: the learner's code, a clock, providers and a store that can be broken, and the ledger.

Everything here is real but the clock: the calls go over HTTP to the simulator, the store is a Valkey server. A probe
says what it found by `expect`, or fails by itself where the learner's code raises what it should not. Read `trying.py`
next.
"""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, TypeVar

import aiohttp

from .clock import Clock, Endless, Slept
from .learner import Learner, said
from .probe import Broken
from .providers import Payments, Provider, Raises
from .simulator import Places, Simulator
from .store import Died, Store
from .tap import Tap
from .timeline import CALLS, WAITS, Timeline

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What came of an awaitable: its value, or the error; from when until when, in seconds of the clock."""

    value: T | None
    error: BaseException | None
    at_s: float
    until_s: float
    where: str = ""
    """The learner's line that raised."""

    @property
    def words(self) -> str:
        """`returned 'x'`, `raised ProviderError: y`, or of Python's own errors `raised KeyError: 'z' at line 7: …`."""
        if self.error is None:
            return _short(f"returned {self.value!r}")
        builtin = type(self.error).__module__ == "builtins"
        return _short(f"raised {said(self.error)}") + (f" at {self.where}" if builtin and self.where else "")


def _short(words: str) -> str:
    return words if len(words) <= MOST_WORDS else words[: MOST_WORDS - 1] + "…"


MOST_WORDS = 160


class World:
    """All that one run of one probe sees; made anew for each."""

    def __init__(
        self,
        learner: Learner,
        seed: int,
        http: aiohttp.ClientSession,
        places: Places,
        store_url: str | None,
        timeline: Timeline | None = None,
    ) -> None:
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 - jitter, not secrets
        self.timeline = timeline or Timeline()
        self.clock = Clock(self._slept)
        self.simulator = Simulator(http, places, self.clock)
        self._learner, self._http, self._places, self._store_url = learner, http, places, store_url
        self._stores: list[Store] = []
        self._taps: list[Tap] = []
        self._numbers = 0
        self._account = uuid.uuid4().hex  # the payments provider keeps what a key did, per account, over all probes
        self._replicas = 0
        self.yours = learner.load()
        """The learner's file as a module."""

    async def begin(self) -> None:
        """Empty the store."""
        if self._store_url is not None:
            await self.store("probe").flushall()
            self.timeline.events.clear()

    def replica(self) -> ModuleType:
        """The learner's file once more, as another process would have it: with a memory and a `hash` of its own."""
        self._replicas += 1
        return self._learner.load(hash_seed=self._replicas)

    def again(self) -> "World":
        """Another world on the same simulator, with a clock, a timeline and the learner's file of its own."""
        return World(self._learner, self.seed, self._http, self._places, self._store_url)

    def line_of(self, error: BaseException) -> str:
        """The learner's innermost line under an error, for a probe that catches it; empty when there is none."""
        return self._learner.line_of(error)

    def request_id(self) -> str:
        """The next request id; the same ones with the same seed."""
        self._numbers += 1
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.seed}/{self._numbers}"))

    def provider(self, target: str, raises: Raises, *, takes_s: float = 0.0, request_id: str | None = None) -> Provider:
        """A provider ("anthropic" or "openai") to call, for one request. `takes_s` is by the clock, for each call."""
        url = self._places.anthropic if target == "anthropic" else self._places.openai
        named = request_id or self.request_id()
        return Provider(self._http, url, target, named, self.clock, self.timeline, raises, takes_s)

    def payments(self, raises: Raises, *, takes_s: float = 0.0, request_id: str | None = None) -> Payments:
        """The payments provider to call, for one request. `takes_s` is by the clock, for each call."""
        named = request_id or self.request_id()
        url = self._places.payments
        return Payments(self._http, url, named, self.clock, self.timeline, raises, self._account, takes_s)

    def store(self, who: str = "yours") -> Store:
        """A client of the store, empty when the probe begins. For exercises that say `store = true`."""
        if self._store_url is None:
            raise RuntimeError("exercise.toml does not say `store = true`")
        self._stores.append(Store(self._store_url, self.clock, self.timeline, who))
        return self._stores[-1]

    def tap(self, target: str) -> Tap:
        """A way to a provider ("anthropic", "openai") on which what is asked, and over which connections, is seen."""
        self._taps.append(Tap(self._places.anthropic if target == "anthropic" else self._places.openai))
        return self._taps[-1]

    async def outcome(self, asked: Awaitable[T]) -> Outcome[T]:
        """Wait for the learner's code, whatever comes of it."""
        at_s = self.clock.now()
        value, error = None, None
        try:
            value = await asked
        except (Endless, MemoryError, NameError, ImportError):
            raise  # no outcome, but a slip; it is told with its line
        except (Exception, Died) as raised:  # noqa: BLE001 - it is what came of it
            error = raised
        where = "" if error is None else self._learner.line_of(error)
        return Outcome(value, error, at_s, self.clock.now(), where)

    async def within(self, limit_s: float, asked: Awaitable[T]) -> Outcome[T] | None:
        """The outcome; None when there is none yet after so many seconds of the wall: wide, against a hang alone."""
        task = asyncio.ensure_future(self.outcome(asked))
        done, _ = await asyncio.wait({task}, timeout=limit_s)
        task.cancel()
        return task.result() if done else None

    async def together(self, asked: Sequence[Awaitable[T]]) -> list[Outcome[T]]:
        """The outcomes of many at once, in their order."""
        return list(await asyncio.gather(*map(self.outcome, asked)))

    async def ledger(self, target: str | None = None) -> list[dict[str, Any]]:
        """The ledger's calls (of a target), put on the timeline by the wall clock: for code with its own client."""
        await self.simulator.calls(target)  # those of others may go on
        rows = await self.simulator.calls(settles_s=0)
        self.timeline.events = [event for event in self.timeline.events if not event.lane.endswith(CALLS)]
        for row in rows:
            at_s = row["t"] - rows[0]["t"]
            words = "left" if row["cancelled"] else str(row["status"] or "no answer")
            until_s = at_s + (row["duration_s"] or 0.0)
            self.timeline.add(f"{row['target']} {CALLS}", at_s, until_s, words, ok=row["status"] == 200)
        return [row for row in rows if target in (None, row["target"])]

    def note(self, lane: str, words: str, *, ok: bool = True) -> None:
        """Add a moment to the timeline."""
        self.timeline.add(lane, self.clock.now(), words=words, ok=ok)

    def expect(self, holds: bool, *, given: str, expected: str, seen: str) -> None:
        """The promise in words: what the learner's code was given, what should be seen, what was. Raises Broken."""
        if not holds:
            raise Broken(given, expected, seen)

    async def close(self) -> None:
        """Close what was opened."""
        for store in self._stores:
            await store.aclose()
        for tap in self._taps:
            tap.close()

    def _slept(self, slept: Slept) -> None:
        if slept.until_s > slept.at_s:
            self.timeline.add(WAITS, slept.at_s, slept.until_s, f"{slept.until_s - slept.at_s:.2f} s")
