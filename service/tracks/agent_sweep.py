"""What nobody has to ask for: runs that nobody approved in time end, runs that the queue has lost go on, old ones go.

Every worker process sweeps; twice is as good as once. Next: ``agent.py``.
"""

import structlog

from ..clock import Clock
from ..errors import StoreUnavailable
from ..settings import AgentSettings
from .agent_record import ENDED
from .agent_runs import ALL, OPEN, STEP, WAITING, Runs
from .checkpoints import Checkpoints, CheckpointsUnusable
from .queue import Queue

log = structlog.get_logger(__name__)
SWEEP_S = 1.0
STUCK_S = 120.0
"""A run that no worker has had to do with for this long, and that waits for nobody, was lost on its way."""


class Sweep:
    """Of one process. ``waiting``: how many runs wait for an approval, and the oldest of them for how many seconds."""

    def __init__(
        self, settings: AgentSettings, *, runs: Runs, checkpoints: Checkpoints, queue: Queue, clock: Clock
    ) -> None:
        self._settings = settings
        self._runs, self._checkpoints = runs, checkpoints
        self._queue, self._clock = queue, clock
        self.waiting = (0, 0.0)

    async def for_ever(self) -> None:
        """Sweep, until cancelled; says first when the checkpoints cannot be kept."""
        try:
            await self._checkpoints.saver()
        except CheckpointsUnusable as error:
            log.error("checkpoints_unusable", reason=str(error))  # noqa: TRY400 - the reason says it all
        except Exception:
            log.exception("checkpoints_failed")
        while True:
            try:
                await self.once()
            except StoreUnavailable:
                pass  # the guard said so
            except Exception:
                log.exception("sweep_failed")
            await self._clock.sleep(SWEEP_S)

    async def once(self) -> None:
        """Look through the lists."""
        runs, settings = self._runs, self._settings
        for run_id in await runs.older(WAITING, settings.approval_within_s):
            verdict = await runs.decide(run_id, "expired", f"expired:{run_id}")
            if verdict.what in ("ok", "again"):
                await self._queue.put(STEP, f"{run_id}:expired", run_id)
            elif verdict.what == "gone" or verdict.status in ENDED:
                await runs.unlist(run_id)
            elif verdict.status != "waiting":  # decided, and whoever did died before a word to the queue
                await runs.reopen(run_id)
        for run_id in await runs.older(OPEN, STUCK_S):
            await self._queue.put(STEP, f"{run_id}:lost", run_id)
        for run_id in await runs.older(ALL, settings.keep_s):
            if await runs.find(run_id) is None:
                await self._forget(run_id)
        self.waiting = await runs.waiting()

    async def _forget(self, run_id: str) -> None:
        try:
            await self._checkpoints.forget(run_id)
        except CheckpointsUnusable as error:
            log.warning("checkpoints_unusable", reason=str(error))
            return
        await self._runs.forget(run_id)
