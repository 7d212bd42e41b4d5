"""What is kept of a job: a hash with its text, its finished steps, its money and its end; and the lists that name it.

Everything that happens to a job is one script on its record (``job.lua``): only the worker that began it last may go
on with it, and an end is final, whoever else is still at work. The end also says in the record which event the user's
webhook is owed, so that neither is without the other. Lists are in other slots of a cluster; they are written before
the record and are believed only as far as it says so. Next: ``job_runs.py``.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from ..llm.prices import NANO_USD
from ..settings import JobSettings
from ..stages.ask import Ask
from ..store.guard import Store
from ..store.script import Script

Kind = Literal["analysis", "later"]
ENDS = ("completed", "failed", "cancelled")
TASK = "jobs.run"
STEP = "step:"
SHOWN = (
    *("tenant", "user", "kind", "route", "status", "delivery", "total", "done", "created_at", "started_at", "ended_at"),
    *("next_at", "waits_for", "failures", "result", "error", "detail", "input_tokens", "output_tokens"),
    *("cost_nano_usd", "unpriced", "webhook_url", "webhook_id", "outbox", "traceparent"),
)
"""All fields but the text, the question and the steps, which may be long."""
RATE_S = 10
"""Ends are counted in spans of this."""
RATE_SPANS = 6
MICROSECONDS = 1_000_000


def job_id_of(*parts: str) -> str:
    """The same for the same parts; 32 digits, as ids are that the log's mask knows for ours."""
    return f"job_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"


@dataclass(slots=True)
class Job:
    """A job as its record has it; times in Unix seconds. ``delivery`` counts how often it was begun."""

    id: str
    tenant: str
    user: str
    kind: Kind
    route: str
    status: str
    delivery: int
    created_at: float
    traceparent: str | None
    total: int = 0
    done: int = 0
    failures: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    next_at: float | None = None
    waits_for: str | None = None
    result: dict[str, Any] | None = None
    error: str | None = None
    detail: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0
    unpriced: int = 0
    webhook_url: str | None = None
    webhook_id: str | None = None
    outbox: str | None = None
    text: str = ""
    question: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether it has come to an end."""
        return self.status in ENDS

    @property
    def name(self) -> str:
        """In the lists: whose it is, too."""
        return f"{self.tenant}:{self.user}:{self.id}"

    def shown(self) -> dict[str, Any]:
        """As its user sees it."""
        error = None if self.error is None else {"code": self.error, "detail": self.detail}
        return {
            "job_id": self.id,
            "kind": self.kind,
            "status": self.status,
            "progress": {"done": self.done, "total": self.total},
            "result": self.result,
            "error": error,
            "waits_for": self.waits_for,
            "usage": {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens},
            "cost_usd": None if self.unpriced else self.cost_nano_usd / NANO_USD,
            "route": self.route,
            "attempts": self.delivery,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "next_try_at": self.next_at,
            "ended_at": self.ended_at,
            "trace_id": None if self.traceparent is None else self.traceparent[3:35],
        }


@dataclass(frozen=True, slots=True)
class Spent:
    """What an ask cost, all its attempts."""

    input_tokens: int
    output_tokens: int
    nano_usd: int
    unpriced: int

    @classmethod
    def by(cls, ask: Ask) -> "Spent":
        """From the ask's own book."""
        usage, costs = ask.usage, [attempt.cost_nano_usd for attempt in ask.attempts]
        return cls(usage.input_tokens, usage.output_tokens, sum(cost or 0 for cost in costs), costs.count(None))

    @property
    def arguments(self) -> tuple[int, int, int, int]:
        """For the script."""
        return self.input_tokens, self.output_tokens, self.nano_usd, self.unpriced


class Records:
    """The jobs in Redis. Every method raises StoreUnavailable."""

    def __init__(self, settings: JobSettings, *, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._script = Script(store, __package__, "job")
        self._list = Script(store, __package__, "job_list")

    async def create(self, job: Job, now_s: float) -> bool:
        """List a new job and keep it; False when its user has too many unfinished ones. Once, however often called."""
        for whose, most in (("all", "inf"), (f"{job.tenant}:{job.user}", str(self._settings.per_user_max))):
            oldest_s = now_s - self._life_s
            times = round(now_s * MICROSECONDS), round(oldest_s * MICROSECONDS)
            arguments = (job.name, *times, most, round(self._life_s * 1000))
            if not await self._list((_listed(whose), _open(whose)), *arguments):
                await self._store.execute("ZREM", _listed("all"), job.name)
                await self._store.execute("ZREM", _open("all"), job.name)
                return False
        given = {
            **{name: getattr(job, name) for name in ("tenant", "user", "kind", "route", "text", "webhook_url")},
            "created_at": repr(job.created_at),
            "traceparent": job.traceparent,
            "question": orjson.dumps(job.question).decode() if job.question else None,
        }
        pairs = [part for name, value in given.items() if value is not None for part in (name, value)]
        await self._do(job.id, "create", round(self._life_s * 1000), *pairs)
        return True

    async def read(self, job_id: str, *, whole: bool = False) -> Job | None:
        """A job, ``whole`` with its text and steps; None when there is none (any more)."""
        if whole:
            flat = await self._store.execute("HGETALL", _record(job_id))
            return _job(job_id, dict(zip(flat[::2], flat[1::2], strict=True)))
        values = await self._store.execute("HMGET", _record(job_id), *SHOWN)
        return _job(job_id, {name.encode(): v for name, v in zip(SHOWN, values, strict=True) if v is not None})

    async def begin(self, job_id: str, now_s: float) -> Job | None:
        """Take the job: from now on nobody who began it before may go on with it. None when there is none."""
        verdict, *number = await self._script((_record(job_id),), "begin", repr(now_s))
        job = await self.read(job_id, whole=True)
        if job is not None and verdict == b"ok":
            job.delivery = int(number[0])  # whatever the record says by now: the next one may have begun
        return job

    async def plan(self, job: Job, total: int) -> bool:
        """How many steps there are. This and what follows: False when the job is no longer the caller's."""
        return await self._do(job.id, "plan", job.delivery, total) == "ok"

    async def step(self, job: Job, name: str, text: str, spent: Spent) -> bool:
        """A step is done: what it brought, and what it cost. Said again, as ``spend``, it counts once."""
        said = await self._do(job.id, "step", job.delivery, name, text, _token(job, name), *spent.arguments)
        if said == "ok":
            return True
        await self.spend(job, name, spent)
        return False

    async def spend(self, job: Job, name: str, spent: Spent) -> None:
        """Money is spent whatever becomes of the job: once for each step of each beginning."""
        await self._do(job.id, "spend", _token(job, name), *spent.arguments)

    async def wait(self, job: Job, until_s: float, code: str) -> bool:
        """Nothing can be done until then, and why."""
        return await self._do(job.id, "wait", job.delivery, repr(until_s), code) == "ok"

    async def finish(self, job: Job, status: str, now_s: float, outbox: str, **fields: str) -> bool:
        """The end, and in the same moment the event that is owed."""
        pairs = [part for pair in fields.items() for part in pair]
        return (
            await self._do(job.id, "finish", job.delivery, status, repr(now_s), self._keep_ms, outbox, *pairs) == "ok"
        )

    async def cancel(self, job_id: str, now_s: float, outbox: str) -> bool:
        """End it, whoever is at work on it; False when it has ended already."""
        return await self._do(job_id, "cancel", repr(now_s), self._keep_ms, outbox) == "ok"

    async def told(self, job_id: str, message_id: str) -> None:
        """The webhook has its message."""
        await self._do(job_id, "told", message_id)

    async def is_open(self, job: Job) -> bool:
        """Whether it is still listed as unfinished: then nobody has told of its end."""
        return await self._store.execute("ZSCORE", _open("all"), job.name) is not None

    async def close(self, job: Job, now_s: float) -> None:
        """It is no longer one of the unfinished; counts the end, once."""
        await self._store.execute("ZREM", _open(f"{job.tenant}:{job.user}"), job.name)
        if await self._store.execute("ZREM", _open("all"), job.name):
            key = _ended(int(now_s) // RATE_S)
            await self._store.execute("INCR", key)
            await self._store.execute("EXPIRE", key, (RATE_SPANS + 2) * RATE_S)

    async def ends_per_s(self, now_s: float) -> float:
        """How many jobs ended in a second, over the last minute."""
        spans = [_ended(int(now_s) // RATE_S - ago) for ago in range(RATE_SPANS)]
        return sum(int(count or 0) for count in await self._store.execute("MGET", *spans)) / (RATE_S * RATE_SPANS)

    async def unfinished(self, start: int, most: int) -> list[tuple[str, float]]:
        """Names of jobs that have not ended, and since when they are listed (Unix seconds), from the ``start``-th
        oldest on."""
        flat = await self._store.execute("ZRANGE", _open("all"), start, start + most - 1, "WITHSCORES")
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return [(name.decode(), float(score) / MICROSECONDS) for name, score in pairs]

    async def page(self, whose: str, before: str | None, most: int) -> tuple[list[str], str | None]:
        """Ids on a list (``all``, or ``TENANT:USER``), newest first, and where the next page begins."""
        below = f"({before}" if before else "+inf"
        flat = await self._store.execute(
            "ZRANGE", _listed(whose), below, "-inf", "BYSCORE", "REV", "LIMIT", 0, most, "WITHSCORES"
        )
        ids = [name.decode().rpartition(":")[2] for name in flat[::2]]
        return ids, flat[-1].decode() if len(ids) == most else None

    @property
    def _life_s(self) -> float:
        """A record lives until its deadline, and as long as a result after that."""
        return max(self._settings.deadline_s, self._settings.later_deadline_s) + self._settings.keep_s

    @property
    def _keep_ms(self) -> int:
        return round(self._settings.keep_s * 1000)

    async def _do(self, job_id: str, op: str, *arguments: str | int) -> str:
        (verdict,) = await self._script((_record(job_id),), op, *arguments)
        return str(verdict.decode())


def _job(job_id: str, raw: dict[bytes, bytes]) -> Job | None:
    if b"status" not in raw:
        return None
    given = {name.decode(): value.decode() for name, value in raw.items()}
    steps = {name.removeprefix(STEP): given[name] for name in given if name.startswith(STEP)}
    numbers = ("delivery", "total", "done", "failures", "input_tokens", "output_tokens", "cost_nano_usd", "unpriced")
    times = ("created_at", "started_at", "ended_at", "next_at")
    texts = ("tenant", "user", "kind", "route", "status", "waits_for", "error", "detail", "webhook_url", "webhook_id")
    fields: dict[str, Any] = {name: int(given[name]) for name in numbers if name in given}
    fields |= {name: float(given[name]) for name in times if name in given}
    fields |= {name: given[name] for name in (*texts, "outbox", "text") if name in given}
    fields |= {name: orjson.loads(given[name]) for name in ("result", "question") if name in given}
    return Job(id=job_id, steps=steps, traceparent=given.get("traceparent"), **fields)


def _token(job: Job, step: str) -> str:
    return f"{job.delivery}:{step}"


def _record(job_id: str) -> str:
    return f"job:{{{job_id}}}"


def _listed(whose: str) -> str:
    return f"jobs:{{{whose}}}"


def _open(whose: str) -> str:
    return f"jobs-open:{{{whose}}}"


def _ended(span: int) -> str:
    return f"jobs-ended:{{all}}:{span}"
