"""The agent's runs as everybody sees them: one hash in Redis each, and lists of them.

Every change of a run is one script (``agent_run.lua``). Whoever works on a run has taken it, and holds it under a short
lease and a name that nobody had before: a worker that was stopped and wakes up late finds another's name there, or no
run at all, and changes nothing any more. Next: ``agent_track.py``.
"""

import asyncio
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..clock import Clock
from ..errors import Unprocessable
from ..gateway.auth import Caller
from ..settings import AgentSettings
from ..store.connection import Argument
from ..store.guard import Store
from ..store.script import Script
from .agent_record import Run

RUN_ID = re.compile(r"run_[0-9a-f]{32}")
STEP = "agent.step"
"""The task that a run goes on with."""
MOST_LISTED = 200
MANY = 200
LEAST_PAGE = 50
"""So many are looked at at once, however few are asked for: those that are gone are passed over."""
MOST_LOOKED_AT = 10 * MANY
"""So many runs, the newest, are looked at for a list of those with one status."""
TAKER_BYTES = 8
ALL, OPEN, WAITING = "agents:{all}", "agents:{open}", "agents:{waiting}"
"""Sorted sets of run ids: by creation; by the last time that a worker had to do with it, or will have; by when the wait
began."""


class Lost(Exception):
    """Somebody else has taken the run meanwhile, or it is gone; whoever hears it stops at once. Nothing is wrong."""


@dataclass(slots=True, frozen=True)
class Taken:
    """A run that is ours for now, as ``taker``; ``fence`` says the how many-th we are."""

    run: Run
    fence: int
    taker: str


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
        """A new run, in its lists; the same again when it is there already. Raises Unprocessable for other words."""
        given = {"tenant": caller.tenant, "user": caller.user, "cost_nano_usd": "0", **fields}
        now = self._now()
        for name in (ALL, OPEN, _own(caller)):
            await self._store.execute("ZADD", name, "NX", now, run_id)
        own, outlived = _own(caller), f"{self._clock.time() - 2 * self._settings.keep_s:.3f}"
        await self._store.execute("ZREMRANGEBYSCORE", own, "-inf", outlived)
        await self._store.execute("PEXPIRE", own, 2 * self._life_ms)
        what, *text = await self._do("create", run_id, *_pairs(given))
        if what == b"known" and text != [str(fields["text"]).encode()]:
            raise Unprocessable("this Idempotency-Key began a run with another text; use a new key for a new run")

    async def find(self, run_id: str) -> Run | None:
        """The run; None when there is none, or not any more."""
        fields = _fields(await self._store.execute("HGETALL", _key(run_id)))
        return Run.of(run_id, fields) if "status" in fields else None

    async def gone(self, ids: Sequence[str]) -> list[str]:
        """Those of them that are not there any more."""
        there = await asyncio.gather(*(self._store.execute("EXISTS", _key(run_id)) for run_id in ids))
        return [run_id for run_id, is_there in zip(ids, there, strict=True) if not is_there]

    async def listed(self, caller: Caller, *, status: str | None = None, most: int = MOST_LISTED) -> list[Run]:
        """The caller's runs, an admin's everybody's, newest first; at most ``most``, of the newest ``MOST_LOOKED_AT``.

        To an admin what waits is listed by how long it does, longest first: whoever is new is not in the way of it.
        """
        name, order = (ALL if caller.admin else _own(caller)), "ZREVRANGE"
        if status == "waiting" and caller.admin:
            name, order = WAITING, "ZRANGE"
        found: list[Run] = []
        page = max(most, LEAST_PAGE) if status is None else MANY
        for begin in range(0, MOST_LOOKED_AT, page):
            ids = await self._store.execute(order, name, begin, begin + page - 1)
            runs = await asyncio.gather(*(self.find(raw.decode()) for raw in ids))
            found += (run for run in runs if run is not None and status in (None, run.status))
            if len(found) >= most or len(ids) < page:
                break
        return found[:most]

    async def take(self, run_id: str) -> Taken | Run | float | None:
        """Ours now; or the run when it has ended; or the seconds for which another holds it; None when it is gone."""
        taker = secrets.token_hex(TAKER_BYTES)
        what, *rest = await self._do("take", run_id, self._lease_ms, taker)
        if what == b"gone":
            return None
        if what == b"busy":
            return max(int(rest[0]), 1) / 1000
        if what == b"ended":
            return Run.of(run_id, _fields(rest))
        await self._store.execute("ZADD", OPEN, self._now(), run_id)
        return Taken(Run.of(run_id, _fields(rest[1:])), int(rest[0]), taker)

    async def hold(self, taken: Taken) -> None:
        """It is still ours, for another while. Raises Lost."""
        _still_ours(await self._do("hold", taken.run.run_id, taken.taker, self._lease_ms))

    async def note(self, taken: Taken, **fields: str) -> None:
        """Tell of it what is known now. Raises Lost."""
        _still_ours(await self._do("note", taken.run.run_id, taken.taker, self._lease_ms, *_pairs(fields)))

    async def wait(self, taken: Taken, **fields: str) -> bool:
        """Let it wait for a decision; False when there is one already, and the run still ours. Raises Lost."""
        run_id = taken.run.run_id
        now = self._now()
        await self._store.execute("ZADD", WAITING, "NX", now, run_id)
        await self._store.execute("ZREM", OPEN, run_id)  # before the script: whoever decides after it puts it back
        answer = await self._do("wait", run_id, taken.taker, *_pairs(fields))
        if answer[0] != b"ok":
            await self._store.execute("ZADD", OPEN, now, run_id)
        return _still_ours(answer) == b"ok"

    async def let_go(self, taken: Taken, delay_s: float = 0.0, **fields: str) -> None:
        """It goes on in ``delay_s``, with whoever takes it then; nobody misses it before. Raises Lost."""
        _still_ours(await self._do("let_go", taken.run.run_id, taken.taker, *_pairs(fields)))
        await self.put_off([taken.run.run_id], delay_s)

    async def put_off(self, ids: Sequence[str], delay_s: float = 0.0) -> None:
        """A worker will have to do with those of them that are open in ``delay_s``."""
        due = f"{self._clock.time() + delay_s:.3f}"
        if ids:
            await self._store.execute("ZADD", OPEN, "XX", *(part for run_id in ids for part in (due, run_id)))

    async def finish(self, taken: Taken, **fields: str) -> None:
        """It has ended; it stays in its lists until that was told. Raises Lost."""
        _still_ours(await self._do("finish", taken.run.run_id, taken.taker, *_pairs(fields)))

    async def unlist(self, run_id: str) -> None:
        """Nobody has to do anything with it any more."""
        for name in (OPEN, WAITING):
            await self._store.execute("ZREM", name, run_id)

    async def reopen(self, run_id: str) -> None:
        """A worker has to do something with it again: the sweep looks after that."""
        await self._store.execute("ZADD", OPEN, self._now(), run_id)
        await self._store.execute("ZREM", WAITING, run_id)

    async def decide(self, run_id: str, decision: str, key: str, **fields: str) -> Verdict:
        """Waiting becomes resuming, once; ``key`` names the decision, so that its repetition is known as such."""
        within_ms = round(self._settings.approval_within_s * 1000)
        if await self._store.execute("ZSCORE", WAITING, run_id) is not None:  # whoever dies after the script is missed
            await self._store.execute("ZADD", OPEN, "NX", self._now(), run_id)
        what, *rest = await self._do("decide", run_id, decision, key, within_ms, *_pairs(fields))
        verdict = Verdict(what.decode(), rest[0].decode() if rest else None)
        if verdict.what in ("ok", "again"):
            await self.reopen(run_id)
        return verdict

    async def waiting(self) -> tuple[int, float]:
        """How many wait for an approval, and for how many seconds the oldest of them has."""
        count = int(await self._store.execute("ZCARD", WAITING))
        first = await self._store.execute("ZRANGE", WAITING, 0, 0, "WITHSCORES")
        return count, max(self._clock.time() - float(first[1]), 0.0) if first else 0.0

    async def older(self, name: str, than_s: float, *, first: int = 0) -> list[str]:
        """The runs of a list that stand there since longer ago, oldest first, ``MANY`` of them from ``first`` on."""
        until = f"{self._clock.time() - than_s:.3f}"
        ids = await self._store.execute("ZRANGEBYSCORE", name, "-inf", until, "LIMIT", first, MANY)
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


def _still_ours(answer: list[Any]) -> bytes:
    what: bytes = answer[0]
    if what in (b"lost", b"gone"):
        raise Lost("another worker has taken this run, or it is gone")
    return what
