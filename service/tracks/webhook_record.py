"""What is kept of each message: a hash with its body and its fate, and who is listed where.

One script per message decides who may try it, so that two workers never do at once; the claim is a lease, which a
killed worker loses. The lists (pending, delivered, dead: sorted by time) live in other slots of a cluster than the
records; what waits is listed before its record says so, the rest after it, and what they name is believed only as far
as the record says so: whoever dies in between leaves something that a sweep finds. Next: ``webhook.py``.
"""

import asyncio
import hashlib
import uuid
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from ..settings import WebhookSettings
from ..store.guard import Store
from ..store.script import Script

State = Literal["pending", "delivered", "dead"]
STATES: tuple[State, ...] = ("pending", "delivered", "dead")
MOST_LISTED = 10_000
"""Entries of a list; of more the oldest are no longer listed."""
PENDING_S = 7 * 86_400.0
"""A message that is neither delivered nor dead after this is forgotten; the tries end long before."""
OVERDUE_S = 30.0
"""A message whose try is due for so long has perhaps no task any more."""
LEASE_MARGIN_S = 2.0
"""A claim outlives the try by this, for the answer to be written down."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is kept; times in Unix seconds. ``spent`` are the tries before the last redrive."""

    id: str
    event: str
    subject_id: str
    tenant: str
    url: str
    body: str
    state: State
    tries: int
    spent: int
    created_at: float
    next_at: float | None
    ended_at: float | None
    last_status: int | None
    last_error: str | None
    traceparent: str | None

    @property
    def receiver(self) -> str:
        """Host and port of the URL, as much of them as it has."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or {'http': 80}.get(parts.scheme, 443)}"

    def shown(self) -> dict[str, Any]:
        """As an operator sees it: without the body; ``trace_id`` is of what caused it."""
        names = ("id", "event", "subject_id", "tenant", "url", "state", "tries", "created_at", "next_at", "ended_at")
        shown = {name: getattr(self, name) for name in (*names, "last_status", "last_error")}
        return {**shown, "trace_id": self.traceparent[3:35] if self.traceparent else None}


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether this try is ours: ``mine``; else why not, and for how long. ``tries`` counts this one."""

    verdict: str
    owner: str = ""
    tries: int = 0
    spent: int = 0
    left_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Levels:
    """How many messages wait and are dead, and the age of the oldest that waits, in seconds."""

    pending: int = 0
    dead: int = 0
    oldest_s: float = 0.0


def message_id_of(event: str, subject_id: str) -> str:
    """The same for the same event of the same subject."""
    named = f"{event}\0{subject_id}".encode()
    return f"msg_{hashlib.sha256(named).hexdigest()[:32]}"


class Records:
    """The messages in Redis. Every method raises StoreUnavailable."""

    def __init__(self, settings: WebhookSettings, *, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._script = Script(store, __package__, "webhook")

    async def open(self, message_id: str, fields: dict[str, str], now_s: float) -> str:
        """Keep a new message; ``new``, or the state of the one that is there, which is left as it is."""
        pairs = [part for pair in fields.items() for part in pair]
        is_listed_by_us = await self._list_first(message_id, now_s)
        (verdict,) = await self._do(message_id, "open", _ms(PENDING_S), *pairs)
        if is_listed_by_us and verdict not in (b"new", b"pending"):
            await self.unlist(message_id)
        return str(verdict.decode())

    async def read(self, message_id: str) -> Message | None:
        """One message; None when it is not known (any more)."""
        pairs = await self._store.execute("HGETALL", _record(message_id))
        return _message(message_id, pairs) if pairs else None

    async def claim(self, message_id: str) -> Claim:
        """Begin a try, and count it."""
        owner = uuid.uuid4().hex
        lease_ms = _ms(self._settings.timeout_s + LEASE_MARGIN_S)
        verdict, *rest = await self._do(message_id, "claim", owner, lease_ms)
        if verdict == b"mine":
            return Claim("mine", owner, int(rest[0]), int(rest[1]))
        return Claim(verdict.decode(), left_s=int(rest[0]) / 1000 if rest else 0.0)

    async def finish(
        self,
        message_id: str,
        claim: Claim,
        state: State,
        *,
        status: int | None,
        error: str | None,
        next_in_s: float,
        now_s: float,
    ) -> bool:
        """End a try; False when its claim was lost."""
        keep_s = {"pending": PENDING_S, "dead": self._settings.keep_dead_s, "delivered": self._settings.keep_s}[state]
        (verdict,) = await self._do(
            message_id,
            "finish",
            claim.owner,
            state,
            "" if status is None else status,
            error or "",
            _ms(next_in_s),
            _ms(keep_s),
            repr(now_s),
        )
        return bool(verdict == b"ok")

    async def redrive(self, message_id: str, now_s: float) -> tuple[str, int]:
        """A dead message waits again, one that waits may be tried at once: (``ok``, how often it was), or why not."""
        is_listed_by_us = await self._list_first(message_id, now_s)
        verdict, *rest = await self._do(message_id, "redrive", _ms(PENDING_S))
        if verdict == b"ok":
            await self._store.execute("ZREM", _list("dead"), message_id)
        elif is_listed_by_us:
            await self.unlist(message_id)
        return verdict.decode(), int(rest[0]) if rest else 0

    async def _list_first(self, message_id: str, now_s: float) -> bool:
        """List what is about to wait; False where it is listed already, so that it is not ours to take out again."""
        return bool(await self._store.execute("ZADD", _list("pending"), "NX", now_s, message_id))

    async def overdue(self, now_s: float, start: int, most: int) -> tuple[list[str], bool]:
        """Ids whose next try is long due, among ``most`` that wait, from the ``start``-th oldest on; whether there are
        more behind them. What is forgotten is unlisted."""
        ids = [raw.decode() for raw in await self._store.execute("ZRANGE", _list("pending"), start, start + most - 1)]
        names = "state", "next_at", "until", "created_at"
        rows = await asyncio.gather(*(self._store.execute("HMGET", _record(each), *names) for each in ids))
        found = []
        for message_id, (state, next_ms, until_ms, created_at) in zip(ids, rows, strict=True):
            if state is None:
                await self.unlist(message_id)
            elif max(float(next_ms or 0) / 1000, float(until_ms or 0) / 1000, float(created_at)) + OVERDUE_S < now_s:
                found.append(message_id)
        return found, len(ids) == most

    async def is_listed(self, message_id: str) -> bool:
        """Whether it is among those that wait; one that has ended, and is, was not told of."""
        return await self._store.execute("ZSCORE", _list("pending"), message_id) is not None

    async def unlist(self, message_id: str) -> None:
        """It waits no more, unless it was sent off again meanwhile."""
        await self._store.execute("ZREM", _list("pending"), message_id)
        state, created_at = await self._store.execute("HMGET", _record(message_id), "state", "created_at")
        if state == b"pending":
            await self._list_first(message_id, float(created_at))

    async def enlist(self, message_id: str, state: State, at_s: float) -> None:
        """List an ended message where it belongs, and nowhere else; forget in the list what is too old."""
        keep_s = self._settings.keep_dead_s if state == "dead" else self._settings.keep_s
        await self._store.execute("ZADD", _list(state), at_s, message_id)
        await self.unlist(message_id)
        await self._store.execute("ZREMRANGEBYSCORE", _list(state), "-inf", at_s - keep_s)
        await self._store.execute("ZREMRANGEBYRANK", _list(state), 0, -MOST_LISTED - 1)

    async def listed(self, state: State, limit: int) -> list[Message]:
        """The newest messages of this state; an entry whose record says otherwise, or is gone, is taken out.

        One that is still among those that wait and has ended stays there for whoever has to tell of it.
        """
        ids = await self._store.execute("ZREVRANGE", _list(state), 0, limit - 1)
        found = []
        for message_id in (each.decode() for each in ids):
            message = await self.read(message_id)
            if message is not None and message.state == state:
                found.append(message)
            elif message is None or state != "pending":
                await self._store.execute("ZREM", _list(state), message_id)
        return found

    async def levels(self, now_s: float) -> Levels:
        """How much waits, since when, and how much is dead."""
        oldest = await self._store.execute("ZRANGE", _list("pending"), 0, 0, "WITHSCORES")
        pending = await self._store.execute("ZCARD", _list("pending"))
        dead = await self._store.execute("ZCOUNT", _list("dead"), now_s - self._settings.keep_dead_s, "+inf")
        return Levels(pending, dead, max(now_s - float(oldest[1]), 0.0) if oldest else 0.0)

    async def _do(self, message_id: str, *arguments: str | int) -> list[bytes]:
        answer: list[bytes] = await self._script((_record(message_id),), *arguments)
        return answer


def _record(message_id: str) -> str:
    return f"webhook:{{{message_id}}}"


def _list(state: State) -> str:
    return f"webhooks:{{{state}}}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _message(message_id: str, pairs: list[bytes]) -> Message:
    kept = {name.decode(): value.decode() for name, value in zip(pairs[::2], pairs[1::2], strict=True)}
    next_ms, status = kept.get("next_at"), kept.get("last_status")
    state: State = next(state for state in STATES if state == kept["state"])
    return Message(
        message_id,
        kept["event"],
        kept["subject_id"],
        kept["tenant"],
        kept["url"],
        kept["body"],
        state,
        int(kept["tries"]),
        int(kept["spent"]),
        float(kept["created_at"]),
        float(next_ms) / 1000 if next_ms and state == "pending" else None,
        float(kept["ended_at"]) if kept.get("ended_at") else None,
        int(status) if status else None,
        kept.get("last_error") or None,
        kept.get("traceparent") or None,
    )
