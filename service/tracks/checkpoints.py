"""Where a run of the agent stands between two steps: the savers that the setting ``agent.checkpoints`` can name.

The one place that knows them; another saver is one more function in ``SAVERS`` and its scheme in the settings. What is
kept is JSON-like, in msgpack, and nothing else is read back: no pickle, no classes. sqlite is for the worker processes
of one host: a write-ahead log and a busy time-out let them share the file. Next: ``agent_track.py``.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import langsmith
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

langsmith.configure(enabled=False)  # besides the variables, which the package of tracks has taken away

BUSY_S = 5.0
"""How long a process waits for another that writes to the same file."""
SETUP_WITHIN_S = BUSY_S
"""Two processes that make a new file at once: sqlite does not wait when the kind of its log changes."""
SETUP_REST_S = 0.05

T = TypeVar("T")
Saver = BaseCheckpointSaver[Any]
Close = Callable[[], Awaitable[None]]


class CheckpointsUnusable(Exception):
    """The message says which place cannot be used, why, and what to do: words for whoever runs the service."""

    code = "checkpoints_unusable"


async def _sqlite(place: str) -> tuple[Saver, Close]:
    path = Path(place)
    try:
        await asyncio.to_thread(_try, path)
        connection = await aiosqlite.connect(path, timeout=BUSY_S)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(place, error) from None
    try:
        saver = AsyncSqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        await _set_up(saver)
        await connection.execute("BEGIN IMMEDIATE")  # a file that can only be read says so now, not after a charge
        await connection.rollback()
    except sqlite3.Error as error:
        await connection.close()
        raise _unusable(place, error) from None
    except BaseException:
        await connection.close()
        raise
    return saver, connection.close


def _try(path: Path) -> None:
    """What cannot be opened fails here: the thread of aiosqlite outlives a failure, and nobody can wait for its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sqlite3.connect(path, timeout=BUSY_S).close()


async def _set_up(saver: AsyncSqliteSaver) -> None:
    until_s = time.monotonic() + SETUP_WITHIN_S
    while True:
        try:
            await saver.setup()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= until_s:
                raise
            await asyncio.sleep(SETUP_REST_S)
        else:
            return


def _unusable(place: str, error: Exception) -> CheckpointsUnusable:
    return CheckpointsUnusable(
        f"agent.checkpoints: {place} cannot be used ({error}); make it a file that this process may write and no other "
        "program holds, or name another; the runs go on then"
    )


SAVERS: dict[str, Callable[[str], Awaitable[tuple[Saver, Close]]]] = {"sqlite": _sqlite}
"""Scheme of the setting -> what opens it; raises CheckpointsUnusable."""
TROUBLE = (sqlite3.Error, ValueError)
"""What a saver raises when its place can no longer be used; of ValueErrors those in ``CLOSED``."""
CLOSED = frozenset({"no active connection", "Connection closed"})
"""What aiosqlite says of a connection that somebody else has ended."""


class Checkpoints:
    """The saver of this process, opened when it is first needed, and anew after it failed."""

    def __init__(self, setting: str) -> None:
        self._scheme, _, self._place = setting.partition(":")
        self._opening = asyncio.Lock()
        self._saver: Saver | None = None
        self._close: Close | None = None

    async def saver(self) -> Saver:
        """The saver. Raises CheckpointsUnusable."""
        async with self._opening:
            if self._saver is None:
                self._saver, self._close = await SAVERS[self._scheme](self._place)
            return self._saver

    async def failed(self, saver: Saver, error: Exception) -> Exception:
        """It failed in use, as one of ``TROUBLE``: it is opened anew next time, unless that was done; what to raise."""
        if isinstance(error, ValueError) and str(error) not in CLOSED:
            return error
        if self._saver is saver:
            await self.aclose()
        return _unusable(self._place, error)

    def without(self, what: str) -> CheckpointsUnusable:
        """``what`` is not there, although it was: the place is another one, or an older copy of it."""
        return CheckpointsUnusable(
            f"agent.checkpoints: {self._place} does not hold {what}; bring back the file that does, or name it to "
            "every worker; the run goes on then"
        )

    async def forget(self, run_id: str) -> None:
        """Delete a run's checkpoints. Raises CheckpointsUnusable."""
        saver = await self.saver()
        try:
            await _whole(saver.adelete_thread(run_id))
        except TROUBLE as error:
            raise await self.failed(saver, error) from None

    async def aclose(self) -> None:
        """End the connection."""
        self._saver = None
        close, self._close = self._close, None
        if close is not None:
            await close()


class Fenced(BaseCheckpointSaver[Any]):
    """A saver that writes only while ``check`` does not raise: a late worker's checkpoints are not kept.

    ``kept`` is told of every checkpoint. Whoever is cancelled ends its write first: the connection is everybody's, and
    would keep the file's lock.
    """

    def __init__(self, inner: Saver, check: Callable[[], Awaitable[None]], kept: Callable[[], Awaitable[None]]) -> None:
        super().__init__(serde=inner.serde)
        self._inner = inner
        self._check, self._kept = check, kept

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As the saver has it."""
        return await self._inner.aget_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the protocol's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """As the saver has them."""
        async for found in self._inner.alist(config, filter=filter, before=before, limit=limit):
            yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Checked, then kept."""
        await self._check()
        done = await _whole(self._inner.aput(config, checkpoint, metadata, new_versions))
        await self._kept()
        return done

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Checked, then kept."""
        await self._check()
        await _whole(self._inner.aput_writes(config, writes, task_id, task_path))

    def get_next_version(self, current: Any, channel: None) -> Any:
        """As the saver numbers them."""
        return self._inner.get_next_version(current, channel)


async def _whole(writing: Coroutine[Any, Any, T]) -> T:
    """What it returns; ended also when whoever waits for it is cancelled."""
    task = asyncio.create_task(writing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
