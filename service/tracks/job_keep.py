"""What a step brought and cost, written down although the store is away for a while: it is paid for.

While the job still waits for it, for seconds; then the job gives up its place in the queue, and the writing goes on
beside it for minutes. Each may be said again and counts once. Next: ``job_record.py``.
"""

import structlog

from ..clock import Clock
from ..errors import StoreUnavailable
from ..store.settle import Settle
from .job_record import Job, Records, Spent

log = structlog.get_logger(__name__)
JOB_WAITS_S = 10.0
POSTED_S = 300.0
TRY_EVERY_S = 0.5


class Keeper:
    """Of one worker process."""

    def __init__(self, records: Records, *, settle: Settle, clock: Clock) -> None:
        self._records = records
        self._settle = settle
        self._clock = clock
        self._is_closing = False

    async def keep(self, job: Job, step: str, text: str, spent: Spent) -> bool:
        """Write a step down; False when the job is no longer the caller's. Raises StoreUnavailable."""
        return await self._keep(job, step, text, spent, JOB_WAITS_S)

    def post(self, job: Job, step: str, text: str | None, spent: Spent) -> None:
        """Write down what nobody waits for any more: a step, or without ``text`` what it cost; perhaps it is there."""
        self._settle.post(self._keep_or_tell(job, step, text, spent), "job")

    def close(self) -> None:
        """What still waits for the store is tried once more, and given up."""
        self._is_closing = True

    async def _keep(self, job: Job, step: str, text: str | None, spent: Spent, within_s: float) -> bool:
        until_s = self._clock.monotonic() + within_s
        while True:
            try:
                if text is not None:
                    return await self._records.step(job, step, text, spent)
                await self._records.spend(job, step, spent)
            except StoreUnavailable:
                if self._clock.monotonic() >= until_s or self._is_closing:
                    raise
            else:
                return False
            await self._clock.sleep(TRY_EVERY_S)

    async def _keep_or_tell(self, job: Job, step: str, text: str | None, spent: Spent) -> None:
        try:
            await self._keep(job, step, text, spent, POSTED_S)
        except StoreUnavailable:
            log.error(  # noqa: TRY400 - the store's guard has said why
                "job_step_not_written", job_id=job.id, step=step, cost_nano_usd=spent.nano_usd, is_done=text is not None
            )
