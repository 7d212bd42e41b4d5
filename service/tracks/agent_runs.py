"""The agent's runs as everybody sees them: one hash in Redis each, and lists of them.

Every change of a run is one script (``agent_run.lua``). Whoever works on a run has taken it, and holds it under a short
lease with a number that only grows: a worker that was stopped and wakes up late finds that its number is an old one,
and changes nothing any more. Next: ``agent_track.py``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from ..clock import Clock
from ..gateway.auth import Caller
from ..settings import AgentSettings
from ..store.connection import Argument
from ..store.guard import Store
from ..store.script import Script

Status = Literal["queued", "running", "waiting", "resuming", "completed", "failed", "rejected"]
ENDED = frozenset({"completed", "failed", "rejected"})
RUN_ID = re.compile(r"run_[0-9a-f]{32}")
STEP = "agent.step"
"""The task that a run goes on with."""
MOST_LISTED = 200
MANY = 200
ALL, OPEN, WAITING = "agents:{all}", "agents:{open}", "agents:{waiting}"
"""Sorted sets of run ids: by creation; by the last time that a worker had to do with it; by when the wait began."""


class Lost(Exception):
    """Somebody else has taken the run meanwhile; whoever hears it stops at once, and nothing is wrong."""


@dataclass(slots=True)
class Run:
    """One run. Times are Unix seconds, ``cost_nano_usd`` is None when a call of it had no price."""

    run_id: str
    status: Status
    tenant: str
    user: str
    text: str
    route: str
    created: float
    updated: float
    webhook_url: str | None = None
    traceparent: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    proposal: dict[str, Any] | None = None
    outcome: str | None = None
    answer: str | None = None
    trouble: str | None = None
    trouble_since: float | None = None
    decision: str | None = None
    approver: dict[str, str] | None = None
    note: str | None = None
    refund: dict[str, Any] | None = None
    waiting_since: float | None = None
    ended: float | None = None
    deliveries: int = 0
    tries: int = 0
    cost_nano_usd: int | None = 0

    @classmethod
    def of(cls, run_id: str, fields: Mapping[str, bytes]) -> "Run":
        """From its hash."""
        text = {name: value.decode() for name, value in fields.items()}
        parsed = {
            name: orjson.loads(fields[name]) for name in ("steps", "proposal", "approver", "refund") if name in fields
        }
        plain = {name: text.get(name) or None for name in _PLAIN}
        times = {name: _seconds(text.get(f"{name}_ms")) for name in ("created", "updated", "ended", "waiting_since")}
        numbers = {
            "deliveries": int(text["deliveries"]),
            "tries": int(text.get("tries", 0)),
            "trouble_since": float(text["trouble_since"]) if text.get("trouble_since") else None,
            "cost_nano_usd": int(text["cost_nano_usd"]) if text.get("cost_nano_usd") else None,
        }
        given: dict[str, Any] = {**parsed, **plain, **times, **numbers}
        return cls(run_id, **given)

    @property
    def trace_id(self) -> str | None:
        """Of the request that began it, 32 hex digits."""
        return self.traceparent[3:35] if self.traceparent else None

    def shown(self, *, approval_within_s: float) -> dict[str, Any]:
        """As ``GET /agent/{id}`` tells it; the text is the caller's own and not said again."""
        waits = self.status == "waiting" and self.waiting_since is not None
        return {
            "run_id": self.run_id,
            "status": self.status,
            "outcome": self.outcome,
            "proposal": self.proposal,
            "waiting_since": self.waiting_since if waits else None,
            "approve_until": (self.waiting_since or 0) + approval_within_s if waits else None,
            "decision": self.decision,
            "approver": self.approver,
            "note": self.note,
            "refund": self.refund,
            "answer": self.answer,
            "trouble": self.trouble,
            "steps": self.steps,
            "owner": {"tenant": self.tenant, "user": self.user},
            "created": self.created,
            "updated": self.updated,
            "ended": self.ended,
            "trace_id": self.trace_id,
            "deliveries": self.deliveries,
            "cost_nano_usd": self.cost_nano_usd,
        }


@dataclass(slots=True, frozen=True)
class Taken:
    """A run that is ours for now: ``fence`` says which of its takers we are."""

    run: Run
    fence: int


@dataclass(slots=True, frozen=True)
class Verdict:
    """What became of a decision: ``ok``, ``again``, ``refused``, ``late`` or ``gone``; with the status then."""

    what: str
    status: str | None = None


class Runs:
    """All runs. Every method raises StoreUnavailable."""

    def __init__(self, settings: AgentSettings, *, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._script = Script(store, __package__, "agent_run")
        self._life_ms = round(settings.keep_s * 1000)
        self._lease_ms = round(settings.lease_s * 1000)

    async def create(self, run_id: str, caller: Caller, **fields: str | None) -> None:
        """A new run, in its lists; the same again when it is there already."""
        given = {"tenant": caller.tenant, "user": caller.user, "cost_nano_usd": "0", **fields}
        now = self._now()
        for name in (ALL, OPEN, _own(caller)):
            await self._store.execute("ZADD", name, "NX", now, run_id)
        await self._store.execute("PEXPIRE", _own(caller), self._life_ms)
        await self._do("create", run_id, *_pairs(given))

    async def find(self, run_id: str) -> Run | None:
        """The run; None when there is none, or not any more."""
        fields = _fields(await self._store.execute("HGETALL", _key(run_id)))
        return Run.of(run_id, fields) if "status" in fields else None

    async def listed(self, caller: Caller, *, status: str | None = None, most: int = MOST_LISTED) -> list[Run]:
        """The caller's runs, an admin's everybody's, newest first; at most ``most``."""
        name = ALL if caller.admin else _own(caller)
        if status == "waiting" and caller.admin:
            name = WAITING
        found: list[Run] = []
        begin = 0
        while len(found) < most:
            ids = await self._store.execute("ZREVRANGE", name, begin, begin + MANY - 1)
            begin += MANY
            for run_id in (raw.decode() for raw in ids):
                run = await self.find(run_id)
                if run is not None and status in (None, run.status):
                    found.append(run)
            if len(ids) < MANY:
                break
        return found[:most]

    async def take(self, run_id: str) -> Taken | Run | float | None:
        """Ours now; or the run when it has ended; or the seconds for which another holds it; None when it is gone."""
        what, *rest = await self._do("take", run_id, self._lease_ms)
        if what == b"gone":
            return None
        if what == b"busy":
            return max(int(rest[0]), 1) / 1000
        if what == b"ended":
            return Run.of(run_id, _fields(rest))
        await self._store.execute("ZADD", OPEN, self._now(), run_id)
        return Taken(Run.of(run_id, _fields(rest[1:])), int(rest[0]))

    async def hold(self, taken: Taken) -> None:
        """It is still ours, for another while. Raises Lost."""
        _still_ours(await self._do("hold", taken.run.run_id, taken.fence, self._lease_ms))

    async def note(self, taken: Taken, **fields: str) -> None:
        """Tell of it what is known now. Raises Lost."""
        _still_ours(await self._do("note", taken.run.run_id, taken.fence, self._lease_ms, *_pairs(fields)))

    async def wait(self, taken: Taken, **fields: str) -> bool:
        """Let it wait for a decision; False when there is one already, and the run still ours. Raises Lost."""
        run_id = taken.run.run_id
        now = self._now()
        await self._store.execute("ZADD", WAITING, "NX", now, run_id)
        answer = _still_ours(await self._do("wait", run_id, taken.fence, *_pairs(fields)))
        if answer == b"ok":
            await self._store.execute("ZREM", OPEN, run_id)
            return True
        return False

    async def let_go(self, taken: Taken, **fields: str) -> None:
        """It goes on later, with whoever takes it then. Raises Lost."""
        _still_ours(await self._do("let_go", taken.run.run_id, taken.fence, *_pairs(fields)))

    async def finish(self, taken: Taken, **fields: str) -> None:
        """It has ended. Raises Lost."""
        _still_ours(await self._do("finish", taken.run.run_id, taken.fence, *_pairs(fields)))
        await self.unlist(taken.run.run_id)

    async def unlist(self, run_id: str) -> None:
        """Nobody has to do anything with it any more."""
        for name in (OPEN, WAITING):
            await self._store.execute("ZREM", name, run_id)

    async def decide(self, run_id: str, decision: str, key: str, **fields: str) -> Verdict:
        """Waiting becomes resuming, once; ``key`` names the decision, so that its repetition is known as such."""
        within_ms = round(self._settings.approval_within_s * 1000)
        what, *rest = await self._do("decide", run_id, decision, key, within_ms, *_pairs(fields))
        verdict = Verdict(what.decode(), rest[0].decode() if rest else None)
        if verdict.what in ("ok", "again"):
            await self._store.execute("ZADD", OPEN, self._now(), run_id)
            await self._store.execute("ZREM", WAITING, run_id)
        return verdict

    async def waiting(self) -> tuple[int, float]:
        """How many wait for an approval, and for how many seconds the oldest of them has."""
        count = int(await self._store.execute("ZCARD", WAITING))
        first = await self._store.execute("ZRANGE", WAITING, 0, 0, "WITHSCORES")
        return count, max(self._clock.time() - float(first[1]), 0.0) if first else 0.0

    async def older(self, name: str, than_s: float) -> list[str]:
        """The runs of a list that stand there since longer ago, oldest first, some of them."""
        until = f"{self._clock.time() - than_s:.3f}"
        ids = await self._store.execute("ZRANGEBYSCORE", name, "-inf", until, "LIMIT", 0, MANY)
        return [raw.decode() for raw in ids]

    async def forget(self, run_id: str) -> None:
        """Take it from the list of all, and from the others."""
        await self._store.execute("ZREM", ALL, run_id)
        await self.unlist(run_id)

    def _now(self) -> str:
        return f"{self._clock.time():.3f}"

    async def _do(self, op: str, run_id: str, *arguments: Argument) -> list[Any]:
        answer: list[Any] = await self._script((_key(run_id),), op, self._life_ms, *arguments)
        return answer


def _key(run_id: str) -> str:
    return f"agent:{{{run_id}}}"


def _own(caller: Caller) -> str:
    return f"agents:{{{caller.tenant}:{caller.user}}}"


def _pairs(fields: Mapping[str, str | None]) -> list[Argument]:
    return [part for name, value in fields.items() if value is not None for part in (name, value)]


def _fields(flat: Sequence[bytes]) -> dict[str, bytes]:
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


_PLAIN = (
    "status", "tenant", "user", "text", "route", "webhook_url", "traceparent", "outcome", "answer", "trouble",
    "decision", "note",
)  # fmt: skip
"""Fields that are text, and None where they are empty or missing."""


def _seconds(milliseconds: str | None) -> float | None:
    return None if milliseconds is None else float(milliseconds) / 1000


def _still_ours(answer: list[Any]) -> bytes:
    what: bytes = answer[0]
    if what == b"lost":
        raise Lost("another worker has taken this run")
    return what
