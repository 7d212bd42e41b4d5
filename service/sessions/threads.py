"""Conversation threads in Redis, so that any worker continues any conversation.

A turn is load, chain, append under the thread's lease: two messages sent at once to one thread follow each other. The
append checks the length again, so that even a lost lease cannot interleave turns. An aborted turn is not stored.
Threads live seven days after the last turn; the history sent to a model is trimmed to 8,000 tokens. Chapter,
section 6 (session in a memory dict). Next: ``preferences.py``.
"""

import asyncio
import re
import uuid
from dataclasses import dataclass
from typing import Any

import orjson

from ..clock import Clock
from ..errors import Conflict, NotFound, StoreUnavailable
from ..llm.provider import Message
from ..settings import SessionSettings
from ..stages.call import estimated_tokens
from ..store.guard import Store
from ..store.script import Script
from .preferences import Preferences

THREAD_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
"""What an id may look like."""
_OURS = re.compile(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}")
"""What ours do look like (UUID, version 4): nobody else's text becomes part of a key, not even of a lease."""
MOST_WAITING = 32
"""Messages of one thread that may wait for their turn in one worker."""
MOST_READ = 1000
"""Messages of a thread that are read back at once, the newest."""
BYTES_PER_TOKEN = 16
"""More than any text has: what is read for the history is trimmed to its tokens here."""
POLL_S = 0.025
"""How often a second message looks whether the first one's turn is over."""


@dataclass(slots=True)
class Turn:
    """A turn under way. ``stored`` is False when the store is away: the chat then goes on without memory.

    ``owner`` is empty in a thread that this turn would begin; ``kept`` says that the turn is in the thread.
    """

    tenant: str
    user: str
    thread_id: str
    history: tuple[Message, ...]
    length: int
    preferences: Preferences
    owner: str
    stored: bool = True
    kept: bool = False
    queue: "_Queue | None" = None
    renewing: asyncio.Task[None] | None = None

    @property
    def known_id(self) -> str | None:
        """The thread to go on in; None where there is none, because its first turn was not kept."""
        return self.thread_id if self.owner or self.kept else None


class _Queue:
    """The messages of one thread in this worker, in the order of their arrival."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


class Threads:
    """The threads of all users, each reachable by its own user only (another's is NotFound)."""

    def __init__(self, settings: SessionSettings, *, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._open = Script(store, __package__, "open")
        self._append = Script(store, __package__, "append")
        self._renew = Script(store, __package__, "renew")
        self._queues: dict[str, _Queue] = {}

    async def begin(self, tenant: str, user: str, thread_id: str | None, *, until_s: float) -> Turn:
        """Take the turn in ``thread_id`` (None: a new thread), waiting until ``until_s`` (monotonic) for it.

        Raises Conflict when another message holds the thread until then, NotFound for an unknown thread.
        """
        name = uuid.uuid4().hex if thread_id is None else _known(thread_id)
        turn = Turn(tenant, user, name, (), 0, Preferences(), uuid.uuid4().hex if thread_id else "")
        if thread_id is not None:
            turn.queue = await self._enter(_thread(tenant, user, name), until_s)
        try:
            raw = await self._take(turn, until_s)
        except BaseException:
            self._leave(turn)
            raise
        if thread_id is not None and turn.stored and not turn.length:
            await self.abandon(turn)
            raise _not_found()
        turn.history = self._trimmed([_message(data) for data in raw])
        if thread_id is not None and turn.stored:
            turn.renewing = asyncio.create_task(self._keep(turn))
        return turn

    async def _enter(self, key: str, until_s: float) -> _Queue:
        """Wait behind this worker's earlier messages of the thread."""
        queue = self._queues.setdefault(key, _Queue())
        if queue.waiting >= MOST_WAITING:
            raise Conflict(
                f"{MOST_WAITING} messages of this thread wait already; wait for an answer", retry_after_s=1.0
            )
        queue.waiting += 1
        try:
            async with self._clock.timeout_at(until_s):
                await queue.lock.acquire()
        except BaseException as error:
            self._forget(key, queue)
            if isinstance(error, TimeoutError):
                raise _still_answered() from None
            raise
        return queue

    def _forget(self, key: str, queue: _Queue) -> None:
        queue.waiting -= 1
        if not queue.waiting:
            self._queues.pop(key, None)

    def _leave(self, turn: Turn) -> None:
        """The turn is over in this worker; once."""
        queue, turn.queue = turn.queue, None
        if turn.renewing is not None:
            turn.renewing.cancel()
        if queue is not None:
            queue.lock.release()
            self._forget(_thread(turn.tenant, turn.user, turn.thread_id), queue)

    async def _take(self, turn: Turn, until_s: float) -> list[bytes]:
        """Preferences, length and newest messages, under the thread's lease; a store that is away has none."""
        tenant, user, name = turn.tenant, turn.user, turn.thread_id
        keys = (_preferences(tenant, user), _thread(tenant, user, name), _lease(tenant, user, name))
        lease_ms = round(self._settings.turn_lease_s * 1000)
        most_bytes = self._settings.history_tokens * BYTES_PER_TOKEN
        while True:
            try:
                taken, flat, raw, length = await self._open(keys, turn.owner, lease_ms, most_bytes)
            except StoreUnavailable:
                turn.stored = False
                return []
            if taken:
                turn.preferences, turn.length = Preferences.of(flat), int(length)
                return list(raw)
            if self._clock.monotonic() + POLL_S >= until_s:
                raise _still_answered()
            await self._clock.sleep(POLL_S)

    async def _keep(self, turn: Turn) -> None:
        """Renew the lease while the turn goes on."""
        lease_s = self._settings.turn_lease_s
        key = _lease(turn.tenant, turn.user, turn.thread_id)
        while True:
            await self._clock.sleep(lease_s / 3)
            await asyncio.gather(self._renew((key,), turn.owner, round(lease_s * 1000)), return_exceptions=True)

    async def commit(self, turn: Turn, said: str, answer: str) -> None:
        """Append both sides of the turn. Raises Conflict when the thread grew in between, StoreUnavailable."""
        turns = (_encode("user", said), _encode("assistant", answer))
        try:
            length = await self._end(turn, *turns)
        finally:
            self._leave(turn)
        if length < 0:
            raise Conflict("the thread changed while this message was answered; read it and send again")
        turn.kept = True

    async def append_late(
        self,
        tenant: str,
        user: str,
        thread_id: str,
        *,
        begun: bool,
        length: int,
        turns: tuple[str, str],
        wait_s: float,
    ) -> bool:
        """Append what was said when the thread had ``length`` messages, and its late answer, unless it moved on since.

        ``begun``: whether there was a thread then. True also when they are there already. Raises StoreUnavailable.
        """
        said, answer = turns
        until_s = self._clock.monotonic() + wait_s
        try:
            if begun:
                turn = await self.begin(tenant, user, thread_id, until_s=until_s)
            else:
                turn = Turn(tenant, user, thread_id, (), 0, Preferences(), "")
            if not turn.stored:
                raise StoreUnavailable("the thread could not be read", retry_after_s=1.0)
            if turn.length == length:
                await self.commit(turn, said, answer)
                return True
            await self.abandon(turn)
        except NotFound:
            return False
        except Conflict:
            pass  # it moved on while this waited, or was written by a worker that died after that
        there = await self._store.execute("LRANGE", _thread(tenant, user, thread_id), length, length + 1)
        return list(there) == [_encode("user", said), _encode("assistant", answer)]

    async def abandon(self, turn: Turn) -> None:
        """Give the thread back unchanged. Raises StoreUnavailable."""
        try:
            if turn.stored and turn.owner:
                await self._end(turn)
        finally:
            self._leave(turn)

    async def _end(self, turn: Turn, *turns: bytes) -> int:
        tenant, user, name = turn.tenant, turn.user, turn.thread_id
        keys = (_thread(tenant, user, name), _lease(tenant, user, name), _index(tenant, user))
        ttl_ms = round(self._settings.thread_ttl_s * 1000)
        return int(await self._append(keys, turn.owner, turn.length, ttl_ms, name, *turns))

    def _trimmed(self, messages: list[Message]) -> tuple[Message, ...]:
        """The newest messages that fit, beginning with the user's."""
        left, kept = self._settings.history_tokens, len(messages)
        while kept and (left := left - estimated_tokens(len(messages[kept - 1].content))) >= 0:
            kept -= 1
        while kept < len(messages) and messages[kept].role != "user":
            kept += 1
        return tuple(messages[kept:])

    async def overview(self, tenant: str, user: str) -> list[dict[str, Any]]:
        """The user's threads, newest first: id and Unix seconds of the last turn. Raises StoreUnavailable."""
        index = _index(tenant, user)
        oldest_s = self._clock.time() - self._settings.thread_ttl_s
        await self._store.execute("ZREMRANGEBYSCORE", index, "-inf", f"({oldest_s:.0f}")
        flat = await self._store.execute("ZRANGE", index, 0, 999, "REV", "WITHSCORES")
        return [
            {"thread_id": name.decode(), "updated_s": float(score)}
            for name, score in zip(flat[::2], flat[1::2], strict=True)
        ]

    async def read(self, tenant: str, user: str, thread_id: str) -> list[Message]:
        """The newest messages, oldest first. Raises NotFound, StoreUnavailable."""
        raw = await self._store.execute("LRANGE", _thread(tenant, user, _known(thread_id)), -MOST_READ, -1)
        if not raw:
            raise _not_found()
        return [_message(data) for data in raw]

    async def delete(self, tenant: str, user: str, thread_id: str) -> None:
        """Forget the thread. Raises NotFound, StoreUnavailable."""
        gone, _ = await asyncio.gather(
            self._store.execute("DEL", _thread(tenant, user, _known(thread_id))),
            self._store.execute("ZREM", _index(tenant, user), thread_id),
        )
        if not gone:
            raise _not_found()

    async def preferences(self, tenant: str, user: str) -> Preferences:
        """The user's preferences. Raises StoreUnavailable."""
        return Preferences.of(await self._store.execute("HGETALL", _preferences(tenant, user)))

    async def set_preferences(self, tenant: str, user: str, preferences: Preferences) -> None:
        """Replace the user's preferences. Raises StoreUnavailable."""
        await self._store.execute("HSET", _preferences(tenant, user), *preferences.pairs())


def _known(thread_id: str) -> str:
    """The id, if it can be one of ours; raises NotFound."""
    if not _OURS.fullmatch(thread_id):
        raise _not_found()
    return thread_id


def _not_found() -> NotFound:
    return NotFound("no thread of yours has this id; leave thread_id out to begin one")


def _still_answered() -> Conflict:
    return Conflict(
        "another message of this thread is still being answered; wait for its answer, then send again",
        retry_after_s=1.0,
    )


def _encode(role: str, content: str) -> bytes:
    return orjson.dumps({"role": role, "content": content})


def _message(data: bytes) -> Message:
    given = orjson.loads(data)
    return Message(given["role"], given["content"])


def _thread(tenant: str, user: str, name: str) -> str:
    return f"thread:{{{tenant}:{user}}}:{name}"


def _lease(tenant: str, user: str, name: str) -> str:
    return f"thread-lease:{{{tenant}:{user}}}:{name}"


def _index(tenant: str, user: str) -> str:
    return f"threads:{{{tenant}:{user}}}"


def _preferences(tenant: str, user: str) -> str:
    return f"preferences:{{{tenant}:{user}}}"
