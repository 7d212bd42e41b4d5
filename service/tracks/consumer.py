"""What takes tasks from the queue: streaq's worker, one per lane, made to live through the death of Redis.

streaq's own ends when Redis does, renews its hold on a task so late that one slow turn of the event loop loses it,
looks for a dead worker's tasks only as often as it waits for new ones, and lets whoever lost a task take it back or
finish it under the one who has it now. The few methods below are about that (``docs/adr/0017``). Only worker processes
import this file. Next: ``../worker.py``.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
import structlog
from anyio import CancelScope, current_time
from coredis.exceptions import RedisError
from streaq import StreaqRetry
from streaq import Worker as StreaqWorker
from streaq.constants import REDIS_GROUP
from streaq.types import Entries, StreamMessage

from ..clock import Clock
from ..errors import StoreUnavailable
from ..settings import QueueSettings
from .queue import Keys, Later, TaskFn, Track, delivery, lane_of

log = structlog.get_logger(__name__)
CLAIM_SHARE = 0.6
"""Of ``redeliver_s``: a task that was not heard of for this long is another's; the rest is for noticing it."""
LOOKS = 10
"""Within ``redeliver_s`` the streams are looked through, and the holds renewed, so many times."""
REST_S = 0.5
"""Between the loss of Redis and the next look for it."""
HANG_S = 10.0
"""A connection on which Redis is silent for this long, beyond what was asked of it, is given up."""


class Consumer:
    """All lanes of one worker process."""

    def __init__(self, tracks: list[Track], settings: QueueSettings, *, url: str, worker: str, clock: Clock) -> None:
        tasks = {name: fn for track in tracks for name, fn in track.tasks.items()}
        lanes = sorted({lane_of(name) for name in tasks})
        self._lanes = [
            _Lane(lane, {n: fn for n, fn in tasks.items() if lane_of(n) == lane}, settings, url, worker, clock)
            for lane in lanes
        ]
        self._tracks = tracks
        self._stopped = asyncio.Event()
        logging.getLogger("streaq").setLevel(logging.WARNING)

    @property
    def lanes(self) -> list[str]:
        """What is served."""
        return [lane.name for lane in self._lanes]

    @property
    def running(self) -> int:
        """Tasks that run now."""
        return sum(lane.running for lane in self._lanes)

    async def serve(self) -> None:
        """Take and run tasks until ``stop``; lives through the death of Redis."""
        for track in self._tracks:
            await track.start()
        try:
            await asyncio.gather(self._stopped.wait(), *(lane.serve() for lane in self._lanes))
        finally:
            for track in self._tracks:
                await track.aclose()

    def stop(self, *, within_s: float) -> None:
        """Take no more; what still runs in ``within_s`` is left to another worker. ``serve`` then returns."""
        self._stopped.set()
        for lane in self._lanes:
            lane.stop(within_s)


class _Lane:
    """One lane: a streaq worker, and a new one whenever it has lost Redis."""

    def __init__(
        self, lane: str, tasks: Mapping[str, TaskFn], settings: QueueSettings, url: str, worker: str, clock: Clock
    ) -> None:
        self.name = lane
        self._tasks = tasks
        self._settings = settings
        self._url = url
        self._process = worker
        self._clock = clock
        self._worker: _Worker | None = None
        self._stopped: float | None = None

    @property
    def running(self) -> int:
        return self._worker.running() if self._worker is not None else 0

    async def serve(self) -> None:
        while self._stopped is None:
            worker = self._worker = _Worker(self.name, self._settings, self._url, self._process)
            for name, fn in self._tasks.items():
                worker.add(name, fn)
            try:
                await worker.run_async()
            except Exception as error:  # noqa: BLE001 - whatever it is: the lane is served, or nothing of it runs
                log.warning("queue_lost", lane=self.name, error=_said(error))
                await self._clock.sleep(REST_S)

    def stop(self, within_s: float) -> None:
        self._stopped = within_s
        if self._worker is not None:
            self._worker.leave(within_s)


class _Worker(StreaqWorker[None]):
    """streaq's, of one lane."""

    def __init__(self, lane: str, settings: QueueSettings, url: str, name: str) -> None:
        super().__init__(
            redis_url=url,
            redis_kwargs={"stream_timeout": HANG_S, "connect_timeout": REST_S},
            concurrency=settings.at_once,
            queue_name=Keys(lane).queue,
            serializer=_dumps,
            deserializer=orjson.loads,
            idle_timeout=settings.redeliver_s * CLAIM_SHARE,
            id=name,
        )
        self.prefetch = settings.at_once  # what waits here could run elsewhere
        self._held: dict[str, StreamMessage] = {}
        self._look_s = settings.redeliver_s / LOOKS
        self._left_within_s = 0.0
        self._leaving = asyncio.Event()

    def add(self, name: str, fn: TaskFn) -> None:
        """Run ``fn`` for tasks of this name."""

        async def run(*args: Any) -> None:
            delivery.set(registered.context.tries)
            try:
                await fn(*args)
            except Later as later:
                raise StreaqRetry(delay=timedelta(seconds=later.delay_s)) from None
            except StoreUnavailable as error:
                log.warning("task_waits", task=name, error=error.message)
                raise StreaqRetry(delay=timedelta(seconds=error.retry_after_s or REST_S)) from None
            except Exception:
                log.exception("task_failed", task=name)
                raise

        registered = self.task(name=name, max_tries=None, ttl=0, silent=True)(run)

    def leave(self, within_s: float) -> None:
        """Take no more; what runs has ``within_s`` to end."""
        self._left_within_s = within_s
        self._leaving.set()

    async def signal_handler(self, scope: CancelScope) -> None:
        """In the place of streaq's, which takes the process's signals: the process tells us."""
        try:
            await self._leaving.wait()
            scope.cancel()
        finally:  # also when Redis is gone: what runs then runs again elsewhere, or here
            until_s = current_time() + self._left_within_s
            for running in self._cancel_scopes.values():
                running.deadline = until_s

    async def renew_idle_timeouts(self, scope: CancelScope) -> None:
        """Keep hold of what runs here, often, so that a slow turn of the event loop loses nothing; end what is lost."""
        with scope:
            while True:
                for message in list(self._held.values()):
                    running = self._cancel_scopes.get(message.task_id)
                    if running is not None and not await self._is_ours(message):
                        running.deadline = current_time()
                await asyncio.sleep(self._look_s)

    async def run_task(self, msg: StreamMessage) -> None:
        """Run a task, unless it runs here already: whoever was late may find its own and take it for a dead one's."""
        if msg.message_id in self._held:
            await self._is_ours(msg)
            return
        self._held[msg.message_id] = msg
        try:
            await super().run_task(msg)
        finally:
            del self._held[msg.message_id]

    async def _read_streams_legacy(self, count: int, block: bool = False) -> Entries:
        """Look for tasks of the dead, then wait for new ones, but never long."""
        found = await super()._read_streams_legacy(count)
        if found or not block:
            return found
        return await self.redis.xreadgroup(
            REDIS_GROUP, self.id, self._streams, block=round(self._look_s * 1000), count=count
        )

    async def finish_task(self, msg: StreamMessage, *given: Any, **more: Any) -> None:
        """End a task that is still ours; whoever took it over ends it otherwise."""
        if await self._is_ours(msg):
            await super().finish_task(msg, *given, **more)
        else:
            log.warning("task_taken_over", task_id=msg.task_id)

    async def _is_ours(self, msg: StreamMessage) -> bool:
        """Whether it is, and then it is renewed, so that it stays so until it is finished."""
        return bool(
            await self._lib.refresh_timeout(
                self.stream_key + msg.priority, self._running_set, REDIS_GROUP, self.id, msg.message_id, msg.task_id
            )
        )


def _dumps(value: Any) -> str:
    """JSON; what a failed task raised as its words."""
    return orjson.dumps(value, default=str).decode()


def _said(error: BaseException) -> str:
    """The first real error of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if not isinstance(error, RedisError | OSError) else str(error)
