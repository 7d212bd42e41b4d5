"""The fourth fallback policy: nobody can answer now, so the question is kept and answered when somebody can.

Opt-in (``"later": true`` at ``POST /chat``), and only where the ladder ended with nothing but the honest message. The
question becomes a job of kind ``later``; its answer is at ``GET /jobs/{id}``, goes to the webhook (``answer.ready``),
and is appended to the thread if that has not moved on meanwhile: a conversation that went on is not answered out of
turn. Where Redis is away too the honest message stays. Chapter, section 8, exercise 4. Next: ``job_runs.py``.
"""

from typing import Any

import structlog

from ..clock import Clock
from ..errors import GauntletError
from ..sessions.threads import Threads, Turn
from ..stages.ask import Ask
from .job_record import Job, job_id_of
from .jobs import Jobs

log = structlog.get_logger(__name__)
THREAD_WAIT_S = 2.0
"""How long a late answer waits for a turn that is under way in its thread."""
PROMISE = (
    "I cannot answer right now: the language model providers behind this service are not available. "
    "Your question is kept and will be answered as soon as one of them is back; look at {where} for the answer."
)


class Promises:
    """Of the HTTP workers: turns a question that nobody could answer into a job."""

    def __init__(self, jobs: Jobs, *, clock: Clock) -> None:
        self._jobs = jobs
        self._clock = clock

    async def make(self, ask: Ask, turn: Turn, said: str, webhook_url: str | None) -> str | None:
        """The id of the job; None where nothing can be promised, because Redis is away or too much waits."""
        job_id = job_id_of("later", ask.tenant, ask.user, ask.request_id)
        question = {
            "messages": [(message.role, message.content) for message in ask.messages],
            "system": ask.asked_system,
            "temperature": ask.temperature,
            "seed": ask.seed,
            "max_tokens": ask.max_tokens,
            "thread_id": turn.thread_id,
            "begun": bool(turn.owner),
            "length": turn.length,
            "said": said,
        }
        job = Job(
            job_id,
            ask.tenant,
            ask.user,
            "later",
            ask.route.alias,
            "queued",
            0,
            round(self._clock.time(), 3),
            ask.traceparent,
            question=question,
            webhook_url=webhook_url,
        )
        try:
            await self._jobs.accept(job)
        except GauntletError as error:
            log.info("nothing_promised", reason=error.code)
            return None
        return job_id


class LateAnswers:
    """Of the worker: puts an answer into the thread in which it was asked."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def append(self, job: Job, answer: str) -> dict[str, Any]:
        """The thread, if the answer is in it now. Raises StoreUnavailable."""
        question = job.question
        appended = await self._threads.append_late(
            job.tenant,
            job.user,
            question["thread_id"],
            begun=question["begun"],
            length=question["length"],
            turns=(question["said"], answer),
            wait_s=THREAD_WAIT_S,
        )
        return {"thread_id": question["thread_id"] if appended or question["begun"] else None, "appended": appended}
