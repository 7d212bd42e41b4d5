"""A worker's track of jobs with a chain that does as it is told, and what stands around it; the store is real."""

from dataclasses import replace
from typing import Any

from service.llm.routes import Route, Rung
from service.own_work import Steps
from service.settings import JobSettings
from service.stages.ask import Ask
from service.stages.reply import Reply
from service.store.guard import Store
from service.store.settle import Settle
from service.tracks.job_ends import Ends
from service.tracks.job_record import Job, Records, job_id_of
from service.tracks.job_runs import JobRuns
from service.tracks.queue import Queue
from service.tracks.work import Work

from ..fakes import FakeClock

SETTINGS = JobSettings(part_tokens=3, at_once=1, tries=3, deadline_s=100, base_s=1, cap_s=4)
TEXT = "first part\n\nsecond one"


class Chain:
    """Answers what it is told to, else with the question's first words; ``asked`` lists the questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.searched: list[bool] = []
        self.then: list[Exception | Reply] = []

    async def __call__(self, ask: Ask) -> Reply:
        self.asked.append(ask.messages[-1].content)
        self.searched.append(ask.route.retrieval)
        told = self.then.pop(0) if self.then else None
        if isinstance(told, Exception):
            raise told
        return told or Reply(source="live", provider="anthropic", model="m", text=f"about {self.asked[-1][:10]}")


class Told:
    """Stands for webhooks and telemetry."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.ended: list[dict[str, Any]] = []

    async def send(self, *, event: str, subject_id: str, **_: Any) -> str:
        self.events.append((event, subject_id))
        return "msg_1"

    def job_ended(self, record: dict[str, Any], *_: Any, **__: Any) -> None:
        self.ended.append(record)


class Late:
    """A thread that takes every late answer."""

    async def append(self, job: Job, answer: str) -> dict[str, Any]:
        return {"thread_id": "t", "appended": True}


class Off:
    off = frozenset[str]()


class World:
    def __init__(self, store: Store) -> None:
        self.clock, self.chain, self.told, self.settle = FakeClock(), Chain(), Told(), Settle()
        self.records = Records(SETTINGS, store=store)
        ends = Ends(self.records, webhooks=self.told, telemetry=self.told, clock=self.clock)  # type: ignore[arg-type]
        route = Route("default", (Rung("anthropic", "m"),), "error", 5.0, 100)
        handbook = replace(route, alias="handbook", retrieval=True)
        self.queue = Queue(store)
        self.runs = JobRuns(
            SETTINGS,
            records=self.records,
            ends=ends,
            queue=self.queue,
            work=Work(Steps(lambda _: None, captures=False, clock=self.clock)),
            chain=self.chain,
            routes={"default": route, "handbook": handbook},
            late=Late(),  # type: ignore[arg-type]
            switches=Off(),  # type: ignore[arg-type]
            settle=self.settle,
            clock=self.clock,
            draw=lambda: 0.5,
        )

    async def accept(self, **more: Any) -> str:
        job = Job(
            job_id_of("j"), "acme", "alice", "analysis", "default", "queued", 0, self.clock.time(), None, text=TEXT
        )
        for name, value in more.items():
            setattr(job, name, value)
        assert await self.records.create(job, self.clock.time())
        return job.id

    async def seen(self, job_id: str) -> Job:
        job = await self.records.read(job_id, whole=True)
        assert job is not None
        return job
