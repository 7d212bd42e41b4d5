"""What takes tasks from the queue: for each lane one worker of streaq, made to live through the death of Redis.

streaq's own ends when Redis does; here a new one follows it. Only worker processes import this file. Next:
``lane_worker.py``, ``../worker.py``.
"""

import asyncio
import logging
from collections.abc import Mapping

import structlog
from coredis.exceptions import RedisError

from ..clock import Clock
from ..settings import QueueSettings
from .lane_worker import LaneWorker
from .queue import TaskFn, Track, lane_of

log = structlog.get_logger(__name__)
REST_S = 0.5
"""Between the loss of Redis and the next look for it."""


class Consumer:
    """All lanes of one worker process."""

    def __init__(self, tracks: list[Track], settings: QueueSettings, *, url: str, worker: str, clock: Clock) -> None:
        tasks = {name: (fn, track.longest_s) for track in tracks for name, fn in track.tasks.items()}
        lanes = sorted({lane_of(name) for name in tasks})
        self._lanes = [
            _Lane(lane, {n: task for n, task in tasks.items() if lane_of(n) == lane}, settings, url, worker, clock)
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
        """Take and run tasks until ``stop``; lives through the death of Redis. No lane waits for a track's start."""
        try:
            async with asyncio.TaskGroup() as together:
                starting = [together.create_task(track.start()) for track in self._tracks]
                await asyncio.gather(self._stopped.wait(), *(lane.serve() for lane in self._lanes))
                for task in starting:
                    task.cancel()
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
        self,
        lane: str,
        tasks: Mapping[str, tuple[TaskFn, float]],
        settings: QueueSettings,
        url: str,
        worker: str,
        clock: Clock,
    ) -> None:
        self.name = lane
        self._tasks = tasks
        self._settings = settings
        self._url = url
        self._process = worker
        self._clock = clock
        self._worker: LaneWorker | None = None
        self._stopped: float | None = None

    @property
    def running(self) -> int:
        return self._worker.running() if self._worker is not None else 0

    async def serve(self) -> None:
        while self._stopped is None:
            worker = self._worker = LaneWorker(self.name, self._settings, self._url, self._process)
            for name, (fn, longest_s) in self._tasks.items():
                worker.add(name, fn, longest_s)
            try:
                await worker.run_async()
            except Exception as error:  # noqa: BLE001 - whatever it is: the lane is served, or nothing of it runs
                log.warning("queue_lost", lane=self.name, error=_said(error))
                await self._clock.sleep(REST_S)

    def stop(self, within_s: float) -> None:
        self._stopped = within_s
        if self._worker is not None:
            self._worker.leave(within_s)


def _said(error: BaseException) -> str:
    """The first real error of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if not isinstance(error, RedisError | OSError) else str(error)
