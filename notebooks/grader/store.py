"""The store that a probe hands to the learner's code: a client of a real Valkey, seen on the timeline, that can die.

It is `redis.asyncio.Redis`, so whatever stands in redis-py's documents works. Read `world.py` next.
"""

from typing import Any

import redis.asyncio as redis
from redis.asyncio.client import Pipeline

from .clock import Clock
from .timeline import STORE, Timeline


class Died(BaseException):
    """The process of this replica is gone: nothing after this line of its code happens."""


class Store(redis.Redis):
    """A client whose calls stop the clock; `die_before` makes its replica die between two steps."""

    def __init__(self, url: str, clock: Clock, timeline: Timeline, who: str) -> None:
        pool = redis.ConnectionPool.from_url(url, decode_responses=True, socket_timeout=5)
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self._clock, self._timeline, self._who = clock, timeline, who
        self._dies_before: str | None = None
        self.dead = False

    def die_before(self, command: str) -> None:
        """Die at the next command of this name (`SET`), before it is sent, and at every one after it."""
        self._dies_before = command.upper()

    async def warm(self, connections: int) -> None:
        """Connect so often, so that as many commands at once reach the server at once."""
        made: list[Any] = [await self.connection_pool.get_connection() for _ in range(connections)]  # type: ignore[no-untyped-call]
        for one in made:
            await self.connection_pool.release(one)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """As redis-py's; raises Died once this replica is dead."""
        self._live(str(args[0]))
        self._timeline.add(f"{self._who} {STORE}", self._clock.now(), words=" ".join(str(one) for one in args[:2])[:28])
        with self._clock.busy():
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """As redis-py's; its `execute` stops the clock, too."""
        made = super().pipeline(transaction, shard_hint)
        execute = made.execute

        async def timed(*args: Any, **options: Any) -> Any:
            self._live("EXEC")
            with self._clock.busy():
                return await execute(*args, **options)

        made.execute = timed  # type: ignore[method-assign]
        return made

    def _live(self, command: str) -> None:
        if self._dies_before is not None and command.upper().startswith(self._dies_before):
            self.dead = True
        if self.dead:
            raise Died
