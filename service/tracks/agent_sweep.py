"""What nobody has to ask for: runs that nobody approved in time end, runs that the queue has lost go on, old ones go.

Every worker process sweeps; twice is as good as once. Next: ``agent.py``.
"""

import structlog

from ..clock import Clock
from ..errors import StoreUnavailable
from ..settings import AgentSettings
from .agent_runs import ALL, MANY, OPEN, STEP, WAITING, Runs
from .checkpoints import Checkpoints, CheckpointsUnusable
from .queue import Queue

log = structlog.get_logger(__name__)
SWEEP_S = 1.0
STUCK = 3
"""A run that waits for nobody, and that no worker has had to do with for so many times as it takes to find a dead one's
task and have its lease run out, was lost on its way; or its end was, before it was told."""
OLD_EVERY = 60
"""How many sweeps there are for each look at the old ones."""


class Sweep:
    """Of one process. ``waiting``: how many runs wait for an approval, and the oldest of them for how many seconds."""

    def __init__(
        self,
        settings: AgentSettings,
        *,
        runs: Runs,
        checkpoints: Checkpoints,
        queue: Queue,
        redeliver_s: float,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._stuck_s = STUCK * (redeliver_s + settings.lease_s)
        self._sweeps, self._old_from = 0, 0
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
            elif verdict.what == "gone":
                await runs.unlist(run_id)
            elif verdict.status != "waiting":  # decided or ended, and whoever did it died before the next word
                await runs.reopen(run_id)
        stuck = await runs.older(OPEN, self._stuck_s)
        await self._queue.mend(STEP, stuck)
        await runs.put_off(stuck)  # the next sweep looks at others
        if self._sweeps % OLD_EVERY == 0:
            await self._old()
        self._sweeps += 1
        self.waiting = await runs.waiting()

    async def _old(self) -> None:
        """Forget those that are gone among the old ones, some at a time: a run may live long after its creation."""
        ids = await self._runs.older(ALL, self._settings.keep_s, first=self._old_from)
        gone = await self._runs.gone(ids)
        for run_id in gone:
            await self._forget(run_id)
        self._old_from = self._old_from + len(ids) - len(gone) if len(ids) == MANY else 0

    async def _forget(self, run_id: str) -> None:
        try:
            await self._checkpoints.forget(run_id)
        except CheckpointsUnusable as error:
            log.warning("checkpoints_unusable", reason=str(error))
            return
        await self._runs.forget(run_id)
