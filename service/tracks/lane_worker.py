"""streaq's worker, of one lane, with the methods replaced by which it would lose tasks, or be late for them.

It renews its hold on a task so late that one slow turn of the event loop loses it, looks for a dead worker's tasks only
as often as it waits for new ones, and lets whoever lost a task take it back or finish it under the one who has it now;
of two entries of a task it runs both, and what it is told by the task's id it may do to the wrong one
(``docs/adr/0017``). Next: ``../worker.py``.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import resources
from typing import Any

import orjson
import structlog
from anyio import CancelScope, current_time
from coredis.exceptions import ConnectionError as ConnectionLost
from coredis.response.types import StreamEntry
from coredis.retry import ConstantRetryPolicy
from streaq import StreaqRetry
from streaq import Worker as StreaqWorker
from streaq.constants import REDIS_GROUP
from streaq.types import Entries, StreamMessage, StreaqCancelled

from ..errors import StoreUnavailable
from ..settings import QueueSettings
from .queue import Keys, Later, TaskFn, delivery

log = structlog.get_logger(__name__)
CLAIM_SHARE = 0.6
"""Of ``redeliver_s``: a task that was not heard of for this long is another's; the rest is for noticing it."""
LOOKS = 10
"""Within ``redeliver_s`` the streams are looked through, and the holds renewed, so many times."""
REST_S = 0.5
"""Until the next try of a task that found no store, and did not hear when."""
HANG_S = 10.0
"""A connection on which Redis is silent for this long, beyond what was asked of it, is given up."""
CONNECT_S = 2.0
TO_BE_ENDED = 2
"""What the script says of a task of ours that was cancelled."""
FORGET_S = 3600.0
"""A worker that was not heard of for this long, and has nothing, is no longer one of the lane's."""


class LaneWorker(StreaqWorker[None]):
    """streaq's, of one lane."""

    def __init__(self, lane: str, settings: QueueSettings, url: str, name: str) -> None:
        super().__init__(
            redis_url=url,
            redis_kwargs={
                "stream_timeout": HANG_S,
                "connect_timeout": CONNECT_S,
                # One that was reset is made anew, once; one that hangs is given up once, not three times.
                "retry_policy": ConstantRetryPolicy((ConnectionLost,), 1, delay=0),
            },
            concurrency=settings.at_once,
            queue_name=Keys(lane).queue,
            serializer=_dumps,
            deserializer=orjson.loads,
            idle_timeout=settings.redeliver_s * CLAIM_SHARE,
            lifespan=self._forgetting,
            id=name,
        )
        self._take, self._keep, self._let_go, self._drop, self._forget = (
            self._redis.register_script(resources.files(__package__).joinpath(f"queue_{script}.lua").read_text("utf-8"))
            for script in ("take", "keep", "let_go", "drop", "forget")
        )
        self._keys = Keys(lane)
        self.prefetch = settings.at_once  # what waits here could run elsewhere
        self._taken: set[str] = set()
        self._held: dict[str, StreamMessage] = {}
        self._to_be_ended: set[str] = set()
        self._unknown: set[str] = set()
        self._look_s = settings.redeliver_s / LOOKS
        self._until_s: float | None = None
        self._leaving = asyncio.Event()

    def add(self, name: str, fn: TaskFn, longest_s: float) -> None:
        """Run ``fn`` for tasks of this name; what runs for ``longest_s`` is ended, and runs again."""

        async def run(*args: Any) -> None:
            context = registered.context
            delivery.set(context.tries)
            if self._until_s is not None:  # it was taken in the moment in which the others were told to end
                self._cancel_scopes[context.task_id].deadline = self._until_s
            limit = asyncio.timeout(longest_s)
            try:
                async with limit:
                    await fn(*args)
            except Later as later:
                raise StreaqRetry(delay=timedelta(seconds=later.delay_s)) from None
            except StoreUnavailable as error:
                log.warning("task_waits", task=name, error=error.message)
                raise StreaqRetry(delay=timedelta(seconds=error.retry_after_s or REST_S)) from None
            except Exception:
                if limit.expired():
                    log.exception("task_too_long", task=name, longest_s=longest_s)
                    raise StreaqRetry(delay=timedelta()) from None
                log.exception("task_failed", task=name)
                raise

        registered = self.task(name=name, max_tries=None, ttl=0, silent=True)(run)

    def leave(self, within_s: float) -> None:
        """Take no more; what runs has ``within_s`` to end."""
        self._until_s = asyncio.get_running_loop().time() + within_s
        self._leaving.set()

    async def signal_handler(self, scope: CancelScope) -> None:
        """In the place of streaq's, which takes the process's signals: the process tells us."""
        try:
            await self._leaving.wait()
            scope.cancel()
        finally:  # also when Redis is gone: what runs then runs again elsewhere, or here
            if self._until_s is None:
                self._until_s = current_time()
            for running in self._cancel_scopes.values():
                running.deadline = self._until_s

    async def renew_idle_timeouts(self, scope: CancelScope) -> None:
        """Keep hold of what runs here, often, so that a slow turn of the event loop loses nothing; end what is lost."""
        with scope:
            while True:
                for message in list(self._held.values()):
                    running = self._cancel_scopes.get(message.task_id)
                    if running is not None and not await self._is_ours(message):
                        running.deadline = current_time()
                await asyncio.sleep(self._look_s)

    async def run_task(self, msg: StreamMessage) -> None:
        """Run a task, unless it runs already.

        Whoever was late may find its own entry and take it for a dead one's. A second entry of a task that runs, here
        or elsewhere, is left, and found again when it was not heard of for too long: by then the first may have ended.
        """
        if msg.message_id in self._taken:
            await self._is_ours(msg)
            return
        self._taken.add(msg.message_id)
        try:
            kept = await self._kept(msg)
            if kept == 0:
                return
            if kept == TO_BE_ENDED:
                self._to_be_ended.add(msg.task_id)
            self._held[msg.message_id] = msg
            await super().run_task(msg)
            del self._held[msg.message_id]  # before the word of it: no renewal comes after that
            await self._let_go([self._keys.held(msg.task_id)], [msg.message_id, self.id])
        finally:
            self._held.pop(msg.message_id, None)
            self._to_be_ended.discard(msg.task_id)
            self._taken.discard(msg.message_id)

    async def _check_xreadgroup_compatibility(self) -> None:
        """In the place of streaq's, which would read by other means from a Redis that has them, and not as here."""

    async def _read_streams_legacy(self, count: int, block: bool = False) -> Entries:
        """Look for tasks of the dead, then wait for new ones, but never long."""
        (stream,) = self._streams
        found: Any = await self._take([stream], [REDIS_GROUP, self.id, count, self.idle_timeout])
        if found:
            return {stream: tuple(_entry(message_id, fields) for message_id, fields in found)}
        if not block:
            return None
        return await self.redis.xreadgroup(
            REDIS_GROUP, self.id, self._streams, block=round(self._look_s * 1000), count=count
        )

    @asynccontextmanager
    async def _forgetting(self) -> AsyncIterator[None]:
        """Begin with forgetting the lane's workers that are long gone."""
        await self._forget(list(self._streams), [REDIS_GROUP, round(FORGET_S * 1000)])
        yield

    async def finish_failed_task(self, msg: StreamMessage, exc: BaseException, *given: Any, **more: Any) -> None:
        """End what was not run; nothing that is another's by now, or was put anew.

        Of a task that had been done only the entry goes, and the try that streaq has counted. One whose function this
        worker does not know stays for a newer worker, unless it was to be ended.
        """
        is_unknown = "fn_name" in more and not isinstance(exc, StreaqCancelled)
        to_be_ended = msg.task_id in self._to_be_ended
        if not await self._is_ours(msg):
            log.warning("task_taken_over", task_id=msg.task_id)
            await self._dropped(msg)
        elif is_unknown and not to_be_ended:
            if more["fn_name"] not in self._unknown:
                log.error("task_unknown", task=more["fn_name"], task_id=msg.task_id)
            self._unknown.add(more["fn_name"])
        elif "fn_name" in more:
            await super().finish_failed_task(msg, exc, *given, **{**more, "ttl": 0})
        else:
            await self._dropped(msg, msg.message_id)

    async def _dropped(self, msg: StreamMessage, *entry: str) -> None:
        keys = self._keys
        kept = [keys.stream, keys.data(msg.task_id), keys.tries(msg.task_id), keys.aborted, self._running_set]
        await self._drop(kept, [REDIS_GROUP, msg.task_id, *entry])

    async def finish_task(self, msg: StreamMessage, *given: Any, **more: Any) -> None:
        """End a task that is still ours; whoever took it over ends it otherwise."""
        if await self._is_ours(msg):
            await super().finish_task(msg, *given, **more)
        else:
            log.warning("task_taken_over", task_id=msg.task_id)

    async def _is_ours(self, msg: StreamMessage) -> bool:
        """Whether its entry is, and its task that entry's; then both are renewed, and stay so until it is finished."""
        return await self._kept(msg) > 0

    async def _kept(self, msg: StreamMessage) -> int:
        keys = self._keys
        kept: Any = await self._keep(
            [keys.stream, self._running_set, keys.held(msg.task_id), keys.aborted],
            [REDIS_GROUP, self.id, msg.message_id, msg.task_id, self.idle_timeout],
        )
        return int(kept)


def _entry(message_id: str, fields: list[str]) -> StreamEntry:
    """As streaq has it from Redis itself."""
    return StreamEntry(message_id, OrderedDict(zip(fields[::2], fields[1::2], strict=True)))


def _dumps(value: Any) -> str:
    """JSON; what a failed task raised as its words."""
    return orjson.dumps(value, default=str).decode()
