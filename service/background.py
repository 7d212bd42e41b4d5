"""What is built for the background track: the endpoints in HTTP workers, the runs in worker processes.

The other half of the composition root. Next: ``tracks/jobs.py``, ``worker.py``.
"""

from typing import TYPE_CHECKING

from .clock import Clock
from .tracks.job_ends import Ends
from .tracks.job_record import Records
from .tracks.job_runs import JobRuns
from .tracks.jobs import Jobs
from .tracks.later import LateAnswers, Promises

if TYPE_CHECKING:
    from .parts import Service


class Background:
    """One process's parts of it."""

    def __init__(self, service: "Service", clock: Clock) -> None:
        settings = service.settings
        self._service = service
        self._clock = clock
        self._records = Records(settings.jobs, store=service.store)
        self._ends = Ends(self._records, webhooks=service.webhooks, telemetry=service.telemetry, clock=clock)
        self.jobs = Jobs(
            settings.jobs,
            records=self._records,
            ends=self._ends,
            queue=service.queue,
            webhooks=service.webhooks,
            idempotency=service.idempotency,
            routes=service.routes,
            default_route=settings.default_route,
            clock=clock,
        )
        self.promises = Promises(self.jobs, clock=clock) if settings.queue.enabled else None

    def runs(self) -> JobRuns:
        """What a worker process does."""
        service = self._service
        return JobRuns(
            service.settings.jobs,
            records=self._records,
            ends=self._ends,
            queue=service.queue,
            work=service.work,
            chain=service.chain,
            routes=service.routes,
            late=LateAnswers(service.threads),
            switches=service.switches,
            settle=service.settle,
            clock=self._clock,
        )
