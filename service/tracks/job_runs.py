"""The worker's side of jobs: begin one, make its calls, write down each step, end it once, owe no webhook.

A step is one call through the same stages as any request's. One that is done is in the record and never paid again,
whoever is killed; one that was under way is. What another try may mend (a provider away, a bucket empty) makes the job
wait and not fail, until its deadline; what the document itself is to blame for fails it at once. Steps are named
``JOB/map/N``, ``JOB/reduce/LEVEL/N`` and ``JOB/answer``. Next: ``analysis.py``, ``job_keep.py``, ``job_sweep.py``,
``later.py``.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson
import structlog

from ..clock import Clock
from ..errors import BudgetExhaustedToday, CallerError, GauntletError, RateLimited, StoreUnavailable
from ..llm.provider import Message
from ..llm.routes import Route, route_named
from ..settings import JobSettings
from ..stages.ask import Ask
from ..stages.chain import Next
from ..stages.citations import cited
from ..stages.reply import Reply
from ..stages.switches import Switches
from ..store.settle import Settle
from . import analysis
from .answers import ask_of
from .job_ends import Ends
from .job_keep import Keeper
from .job_record import TASK, Job, Records, Spent
from .job_sweep import Sweep
from .later import LateAnswers
from .queue import Later, Queue, TaskFn, Track, delivery
from .work import Work

log = structlog.get_logger(__name__)
ENDPOINT = "/jobs"
LOST_S = 5.0
"""Until the next look at a job that another worker has: its hold on the task has ended by then, if it is dead."""


class _NotNow(Exception):
    """A step cannot be done now: why (a code), and how soon it may be worth another try."""

    def __init__(self, code: str, hint_s: float | None) -> None:
        super().__init__(code)
        self.code = code
        self.hint_s = hint_s or 0.0


class _Lost(Exception):
    """The job has ended, or another worker has it."""


class JobRuns(Track):
    """The track of a worker process."""

    def __init__(
        self,
        settings: JobSettings,
        *,
        records: Records,
        ends: Ends,
        queue: Queue,
        work: Work,
        chain: Next,
        routes: Mapping[str, Route],
        late: LateAnswers,
        switches: Switches,
        settle: Settle,
        clock: Clock,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._records = records
        self._ends = ends
        self._work = work
        self._chain = chain
        self._routes = routes
        self._late = late
        self._switches = switches
        self._keeper = Keeper(records, settle=settle, clock=clock)
        self._clock = clock
        self._draw = draw
        self.sweep = Sweep(settings, records=records, ends=ends, queue=queue, clock=clock, draw=draw)

    @property
    def tasks(self) -> Mapping[str, TaskFn]:
        """What the worker runs."""
        return {TASK: self.run}

    @property
    def longest_s(self) -> float:
        """A job looks at its deadline before each step."""
        return max(self._settings.deadline_s, self._settings.later_deadline_s) + self._settings.step_deadline_s

    async def run(self, job_id: str) -> None:
        """Go on with a job where it stands. Raises Later while it has to wait, StoreUnavailable."""
        job = await self._records.begin(job_id, self._clock.time())
        if job is None:
            log.warning("job_unknown", job_id=job_id)
            return
        if not job.ended:
            delivery.set(job.delivery)  # the record's own count: it outlives the queue's
            await self._go_on(job)
        await self._ends.tell(job_id)

    async def _go_on(self, job: Job) -> None:
        """To its end, or until it has to wait."""
        failed: tuple[str, str] | None = None
        try:
            self._check_deadline(job)
            result = await (self._answer(job) if job.kind == "later" else self._analyse(job))
        except _Lost:  # whoever has it may be dead by now, and this its only task: never the end of it
            log.info("job_lost", job_id=job.id, delivery=job.delivery)
            raise Later(LOST_S) from None
        except _NotNow as error:
            await self._wait(job, error)
            return
        except StoreUnavailable:
            raise
        except GauntletError as error:
            failed = error.code, error.message
        except Exception:
            log.exception("job_defect", job_id=job.id)
            failed = GauntletError.code, "the worker met an unexpected error; the job's id finds it in the log"
        if failed is not None:
            await self._ends.fail(job, *failed)
        else:
            await self._ends.complete(job, orjson.dumps(result).decode())

    def _check_deadline(self, job: Job) -> None:
        allowed_s = self._settings.later_deadline_s if job.kind == "later" else self._settings.deadline_s
        if self._clock.time() >= job.created_at + allowed_s:
            why = f"; it last waited for {job.waits_for}" if job.waits_for else ""
            raise JobExpired(f"the job was not done within {allowed_s:.0f} s{why}; send it again")

    async def _wait(self, job: Job, error: _NotNow) -> None:
        """Write down why, and be called again. Raises Later."""
        if job.kind != "later" and job.failures + 1 >= self._settings.tries:
            await self._ends.fail(job, error.code, f"{self._settings.tries} tries in a row were in vain; send it again")
            return
        delay_s = error.hint_s + backoff_s(self._settings, job.failures, self._draw)
        if await self._records.wait(job, self._clock.time() + delay_s, error.code):
            raise Later(delay_s)

    async def _analyse(self, job: Job) -> dict[str, Any]:
        limits = self._settings.part_tokens, self._settings.parts_max
        asked = await asyncio.to_thread(analysis.of_parts, job.text, *limits)  # seconds, for a large one
        if not await self._records.plan(job, analysis.steps_of(len(asked))):
            raise _Lost
        texts = await self._all(job, {f"map/{number}": text for number, text in enumerate(asked, 1)})
        level = 0
        while len(texts) > 1:
            level += 1
            groups = [analysis.of_summaries(group) for group in analysis.grouped(texts)]
            named = {f"reduce/{level}/{number}": text for number, text in enumerate(groups, 1)}
            texts = await self._all(job, named)
        return {"summary": texts[0], "parts": len(asked)}

    async def _answer(self, job: Job) -> dict[str, Any]:
        if not await self._records.plan(job, 1):
            raise _Lost
        question = job.question
        messages = tuple(Message(role, text) for role, text in question["messages"])
        options = {name: question[name] for name in ("temperature", "seed", "max_tokens")}
        told = orjson.loads(
            await self._step(job, "answer", messages, brings=_with_citations, system=question["system"], **options)
        )
        return {**told, **await self._late.append(job, told["answer"])}

    async def _all(self, job: Job, asked: Mapping[str, str]) -> list[str]:
        """The answers to all of them, some at a time. What one fails by, all do; those under way come to their end
        first where the job only waits."""
        gate = asyncio.Semaphore(self._settings.at_once)
        waits: list[_NotNow] = []

        async def one(name: str, text: str) -> str:
            async with gate:
                if waits:
                    return ""
                try:
                    return await self._step(job, name, (Message("user", text),))
                except _NotNow as error:
                    waits.append(error)
                    return ""

        texts = await _together(one(name, text) for name, text in asked.items())
        if waits:
            raise max(waits, key=lambda error: error.hint_s)
        return texts

    async def _step(
        self,
        job: Job,
        name: str,
        messages: tuple[Message, ...],
        *,
        brings: Callable[[Reply], str] = lambda reply: reply.text or "",
        **more: Any,
    ) -> str:
        """What the step ``brings``; from the record where it was done before. Raises what cannot be mended.

        Nothing is searched for a job that has its own text, whatever its route does for questions.
        """
        known = job.steps.get(name)
        if known is not None:
            return known
        self._check_deadline(job)
        route = replace(route_named(self._routes, job.route), deadline_s=self._settings.step_deadline_s)
        if job.kind != "later":
            route = replace(route, retrieval=False)
        given = {"max_tokens": None, **more}
        asks: list[Ask] = []

        def make(context: Any) -> Ask:
            asks.append(ask_of(context, route, messages, clock=self._clock, switches=self._switches, **given))
            return asks[0]

        text: str | None = None
        kept = False
        try:
            reply = await self._work.ask(
                endpoint=ENDPOINT,
                step_id=f"{job.id}/{name}",
                tenant=job.tenant,
                user=job.user,
                traceparent=job.traceparent,
                make=make,
                chain=self._chain,
            )
            if reply.source == "message":
                raise _NotNow("unavailable", reply.retry_after_s)
            text = brings(reply)
            is_ours = await self._keeper.keep(job, name, text, Spent.by(asks[0]))
            kept = True
        except GauntletError as error:
            if may_be_mended(error):
                raise _NotNow(error.code, error.retry_after_s) from None
            raise
        finally:
            if asks and not kept:  # also when the job was cancelled meanwhile: what is spent is spent
                self._keeper.post(job, name, text, Spent.by(asks[0]))
        if not is_ours:
            raise _Lost
        job.steps[name] = text
        return text

    async def start(self) -> None:
        """Look now and then for jobs that nobody has."""
        self.sweep.start()

    async def aclose(self) -> None:
        """End that; what still waits for the store is tried once more and given up."""
        self._keeper.close()
        self.sweep.aclose()


class JobExpired(GauntletError):
    """Not done by its deadline."""

    code, title = "job_expired", "Job expired"


def may_be_mended(error: GauntletError) -> bool:
    """Whether another try of the same step may succeed: ours and the providers' faults, and what a bucket lacks."""
    if isinstance(error, CallerError):
        return isinstance(error, RateLimited | BudgetExhaustedToday)
    return error.code != GauntletError.code


def backoff_s(settings: JobSettings, failures: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds until the next try after ``failures`` (0, 1, …) others: full jitter."""
    return draw() * min(settings.cap_s, settings.base_s * 2.0 ** min(failures, 60))


def _with_citations(reply: Reply) -> str:
    """An answer and what it cites, as they are kept."""
    text = reply.text or ""
    return orjson.dumps({"answer": text, "citations": cited(text, reply.sources)}).decode()


async def _together(coroutines: Iterable[Coroutine[Any, Any, str]]) -> list[str]:
    """All results in order; when one raises, the others are cancelled and waited for."""
    running = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        return list(await asyncio.gather(*running))
    except BaseException:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        raise
