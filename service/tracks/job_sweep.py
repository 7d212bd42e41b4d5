"""Jobs that nobody has: now and then each worker looks for them, puts them again, and closes what has ended.

A crash between record and queue leaves a job without a task, and so does a store that lost its last second; the record
is what counts. Next: ``queue.py``.
"""

import asyncio
from collections.abc import Callable

import structlog

from ..clock import Clock
from ..errors import StoreUnavailable
from ..settings import JobSettings
from .job_ends import Ends
from .job_record import TASK, Job, Records
from .queue import Queue

log = structlog.get_logger(__name__)
MOST_SWEPT = 1000
"""Unfinished jobs that are looked at in one sweep; the next ones in the next."""
UNKNOWN_S = 60.0
"""A job that is listed and has no record this long after: whoever began to make it is dead."""


class Sweep:
    """Of one worker process; ``start`` and ``aclose`` are called in its event loop."""

    def __init__(
        self,
        settings: JobSettings,
        *,
        records: Records,
        ends: Ends,
        queue: Queue,
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._records = records
        self._ends = ends
        self._queue = queue
        self._clock = clock
        self._draw = draw
        self._swept = 0
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Sweep now and then."""
        self._sweeping = asyncio.create_task(self._for_ever())

    def aclose(self) -> None:
        """Sweep no more."""
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def _for_ever(self) -> None:
        while True:
            await self._clock.sleep(self._settings.sweep_s * (0.5 + self._draw()))  # workers do not sweep together
            try:
                await self.once()
            except StoreUnavailable:
                continue
            except Exception:
                log.exception("sweep_failed")

    async def once(self) -> None:
        """Put again what was lost between record and queue (or with a store's last second), close what has ended.

        Raises StoreUnavailable.
        """
        unfinished: list[str] = []
        page = await self._records.unfinished(self._swept, MOST_SWEPT)
        self._swept = self._swept + MOST_SWEPT if len(page) == MOST_SWEPT else 0
        for name, since_s in page:
            tenant, user, job_id = name.split(":")
            job = await self._records.read(job_id)
            if job is not None and not job.ended:
                unfinished.append(job_id)
            elif job is not None:
                await self._ends.tell(job_id)
            elif self._clock.time() - since_s > UNKNOWN_S:
                await self._records.close(
                    Job(job_id, tenant, user, "analysis", "", "failed", 0, since_s, None), since_s
                )
        await self._queue.mend(TASK, unfinished)
