"""The store that a probe hands to the learner's code: a client of a real Valkey, seen on the timeline, that can die.

It is `redis.asyncio.Redis`, so whatever stands in redis-py's documents works. Read `world.py` next.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import redis.asyncio as redis
from redis.asyncio.client import Pipeline
from redis.asyncio.lock import Lock

from .clock import Clock
from .timeline import STORE, Timeline


class Died(BaseException):
    """The process of this replica is gone: nothing after this line of its code happens."""


class Store(redis.Redis):
    """A client whose calls stop the clock; where it is `dead`, its replica's process is gone."""

    def __init__(self, url: str, clock: Clock, timeline: Timeline, who: str) -> None:
        pool = redis.ConnectionPool.from_url(url, decode_responses=True, socket_timeout=5)
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self._clock, self._timeline, self._who = clock, timeline, who
        self.dead = False

    async def warm(self, connections: int) -> None:
        """Connect so often, so that as many commands at once reach the server at once."""
        made: list[Any] = [await self.connection_pool.get_connection() for _ in range(connections)]  # type: ignore[no-untyped-call]
        for one in made:
            await self.connection_pool.release(one)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """As redis-py's; raises Died once this replica is dead."""
        self._begins(_words(args))
        with self._clock.busy():
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """As redis-py's; its `execute` stops the clock, too, and so do the commands after a `watch`."""
        made = super().pipeline(transaction, shard_hint)
        execute: Callable[..., Any] = made.execute
        at_once: Callable[..., Any] = made.immediate_execute_command

        async def timed(*args: Any, **options: Any) -> Any:
            self._begins("EXEC")
            with self._clock.busy():
                return await execute(*args, **options)

        async def timed_at_once(*args: Any, **options: Any) -> Any:
            self._begins(_words(args))
            with self._clock.busy():
                return await at_once(*args, **options)

        made.execute = timed  # type: ignore[method-assign]
        made.immediate_execute_command = timed_at_once  # type: ignore[method-assign]
        return made

    def lock(self, name: str, *args: Any, **options: Any) -> Lock:  # type: ignore[override]
        """As redis-py's; who waits for it waits by the clock."""
        made = super().lock(name, *args, lock_class=_Lock, **options)  # type: ignore[misc]
        assert isinstance(made, _Lock)  # noqa: S101
        made.clock = self._clock
        return made

    def _begins(self, words: str) -> None:
        if self.dead:
            raise Died
        self._timeline.add(f"{self._who} {STORE}", self._clock.now(), words=words)


class _Lock(Lock):
    """redis-py's own sleeps by the wall clock between two tries, while which the exercise's would run on."""

    clock: Clock

    async def acquire(
        self, blocking: bool | None = None, blocking_timeout: float | None = None, token: Any = None
    ) -> bool:
        wait_s = self.blocking_timeout if blocking_timeout is None else blocking_timeout
        until_s = math.inf if wait_s is None else self.clock.now() + wait_s
        while not await super().acquire(blocking=False, token=token):
            if not (self.blocking if blocking is None else blocking) or self.clock.now() + self.sleep > until_s:
                return False
            await self.clock.sleep(self.sleep)
        return True


SCRIPTS = {"EVAL", "EVALSHA", "SCRIPT LOAD"}


def _words(args: Sequence[Any]) -> str:
    """`GET name`, and of a script its first key instead of its text."""
    name = str(args[0])
    return " ".join([name, *map(str, args[3:4] if name in SCRIPTS else args[1:2])])[:28]
