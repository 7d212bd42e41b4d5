"""One Redis connection that all requests of a worker share.

redis-py makes, authenticates and parses the connection; this file adds only the multiplexing: commands of the same
loop turn leave in one write, answers come back in order. Measured, a round trip costs an eighth of redis-py's pool
(``docs/adr/0003``). A command that waits too long ends the connection, since the answers behind it can no longer be
told apart from late ones. Next: ``guard.py``.
"""

import asyncio
import math
from collections import deque
from contextvars import Context  # of no request: these tasks outlive the one that began them
from typing import Any

import hiredis
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from ..clock import Clock

Argument = bytes | str | int | float
TURNS_TO_READ = 4
"""Turns of the event loop in which bytes that have arrived become answers: poll, feed, wake the reader, answer."""


class StoreTimeout(Exception):
    """No answer in time; whether the command was carried out is not known."""


class Multiplexed:
    """A connection to ``url`` that is made on first use and made anew after it was lost.

    ``execute`` raises StoreTimeout, redis-py's ConnectionError and OSError (away) or ResponseError (refused).
    """

    def __init__(self, url: str, *, timeout_s: float, clock: Clock) -> None:
        self._pool = ConnectionPool.from_url(
            url,
            protocol=2,
            socket_timeout=None,  # the watch below bounds the wait; a timer per command would cost more than it
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        self._timeout_s = timeout_s
        self._clock = clock
        self._connection: AbstractConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._out: list[bytes] = []
        self._wake = asyncio.Event()
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()  # with the time of sending
        self._heard_s = 0.0

    async def execute(self, *arguments: Argument) -> Any:
        """Send one command and wait for its answer (bytes, int, list or None)."""
        if self._connection is None:
            await self._connect()
            if self._connection is None:  # lost again between the handshake and this turn
                raise ConnectionError("the store's connection was lost")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._out.append(hiredis.pack_command(arguments))  # type: ignore[arg-type]  # its stub says a 1-tuple
        self._waiting.append((future, self._clock.monotonic()))
        self._wake.set()
        return await future

    async def _connect(self) -> None:
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._open(), context=Context())
            # Whoever waited may have been cancelled: the outcome is then nobody's, and no error.
            self._connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._connecting)

    async def _open(self) -> None:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with self._clock.timeout_at(self._clock.monotonic() + self._timeout_s):
                await connection.connect()  # type: ignore[no-untyped-call]
        except TimeoutError:
            await connection.disconnect(nowait=True)
            raise StoreTimeout(f"no connection within {self._timeout_s} s") from None
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._connection = connection
        self._tasks = tuple(
            asyncio.create_task(coroutine)
            for coroutine in (self._write(connection), self._read(connection), self._watch(connection))
        )

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._out = self._out, []
            try:
                await connection.send_packed_command(batch, check_health=False)
            except (RedisError, OSError) as error:
                self._lost(connection, error)
                return

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            try:
                answer = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
            except ResponseError as error:
                answer = error
            except (RedisError, OSError) as error:
                self._lost(connection, error)
                return
            self._heard_s = self._clock.monotonic()
            future, _ = self._waiting.popleft()
            if not future.done():
                if isinstance(answer, ResponseError):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    async def _watch(self, connection: AbstractConnection) -> None:
        """Tell a store that hangs from a worker that is late: answers that are there already get their turn first."""
        while True:
            await self._clock.sleep(self._timeout_s / 8)
            if not self._overdue():
                continue
            for _ in range(TURNS_TO_READ):
                await asyncio.sleep(0)
            if self._overdue():
                self._lost(connection, StoreTimeout(f"no answer within {self._timeout_s} s"))
                return

    def _overdue(self) -> bool:
        """Whether the oldest command has waited too long, and nothing at all was heard meanwhile."""
        if not self._waiting:
            return False
        return self._clock.monotonic() - max(self._waiting[0][1], self._heard_s) > self._timeout_s

    def _lost(self, connection: AbstractConnection, error: Exception) -> None:
        """Fail everything that waits; the next command connects anew."""
        if self._connection is not connection:
            return
        self._connection = None
        waiting, self._waiting, self._out = self._waiting, deque(), []
        for future, _ in waiting:
            if not future.done():
                future.set_exception(error)
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        self._closing = asyncio.create_task(connection.disconnect(nowait=True))

    async def aclose(self) -> None:
        """End the connection; commands that wait fail."""
        if self._connection is not None:
            self._lost(self._connection, ConnectionError("the store's connection was closed"))
            await self._closing
