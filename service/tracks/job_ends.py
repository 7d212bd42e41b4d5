"""The end of a job: once, whoever asks for it, with the webhook that it owes and the record that tells of it.

The state and the event that is owed change in one script; the message itself is sent after that, by whoever ended the
job or by who finds it still owed, and has the same id each time. Next: ``webhook.py``.
"""

import structlog

from ..clock import Clock
from ..observability.telemetry import Telemetry
from .job_record import Job, Kind, Records
from .webhook import Webhooks

log = structlog.get_logger(__name__)
ANSWER_READY = "answer.ready"


def event_of(kind: Kind, status: str) -> str:
    """What the webhook is called."""
    return ANSWER_READY if kind == "later" and status == "completed" else f"job.{status}"


class Ends:
    """Ends jobs. Every method raises StoreUnavailable."""

    def __init__(self, records: Records, *, webhooks: Webhooks, telemetry: Telemetry, clock: Clock) -> None:
        self._records = records
        self._webhooks = webhooks
        self._telemetry = telemetry
        self._clock = clock

    async def complete(self, job: Job, result: str) -> None:
        """With its result, as JSON; nothing where the job is another's, or has ended."""
        await self._finish(job, "completed", result=result)

    async def fail(self, job: Job, code: str, detail: str) -> None:
        """With the reason; nothing where the job is another's, or has ended."""
        await self._finish(job, "failed", error=code, detail=detail)

    async def _finish(self, job: Job, status: str, **fields: str) -> None:
        event = event_of(job.kind, status)
        if not await self._records.finish(job, status, self._clock.time(), event, **fields):
            log.info("job_end_refused", job_id=job.id, status=status, delivery=job.delivery)

    async def cancel(self, job: Job) -> bool:
        """Whoever is at work on it; False when it has ended already."""
        return await self._records.cancel(job.id, self._clock.time(), event_of(job.kind, "cancelled"))

    async def tell(self, job_id: str) -> None:
        """Of a job that has ended: send what is owed, book it, take it off the unfinished ones.

        Who dies in between leaves all of that to the next. Two at once, who cancelled it and the worker, may both book
        it: readers of the book take each job's end once (view ``jobs``), so a second one is no harm, and a lost one is.
        """
        job = await self._records.read(job_id)
        if job is None or not job.ended:
            return
        if job.outbox is not None and job.webhook_url is not None:
            message_id = await self._webhooks.send(
                event=job.outbox,
                subject_id=job.id,
                tenant=job.tenant,
                url=job.webhook_url,
                data=job.shown(),
                traceparent=job.traceparent,
            )
            await self._records.told(job.id, message_id)
        if await self._records.is_open(job):
            self._telemetry.job_ended(job_record(job), job.traceparent, user=job.user)
        await self._records.close(job, self._clock.time())


def job_record(job: Job) -> dict[str, object]:
    """What the service's book says of a job that has ended (docs/telemetry.md)."""
    ended_at = job.ended_at or job.created_at
    begun_at = job.started_at or ended_at
    return {
        "job_id": job.id,
        "kind": job.kind,
        "outcome": job.status,
        "error": job.error,
        "tenant": job.tenant,
        "route": job.route,
        "created": job.created_at,
        "ended": ended_at,
        "wait_ms": round((begun_at - job.created_at) * 1000, 3),
        "run_ms": round((ended_at - begun_at) * 1000, 3),
        "steps": job.done,
        "steps_planned": job.total,
        "deliveries": job.delivery,
        "input_tokens": job.input_tokens,
        "output_tokens": job.output_tokens,
        "cost_nano_usd": None if job.unpriced else job.cost_nano_usd,
        "webhook": job.webhook_url is not None,
    }
