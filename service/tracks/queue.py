"""The queue between HTTP workers and worker processes: what is put here runs there, again if a worker dies with it.

Redis Streams in the form of streaq, whose worker takes tasks from it (``consumer.py``). Putting is a script of ours in
that form: behind the store's guard it answers in time or says that Redis is away, and no HTTP worker imports a library
of queues (``docs/adr/0017``). Each track has a lane of its own, so that long documents hold up no webhook. Chapter,
section 3 (background processing). Next: ``consumer.py``, ``../worker.py``.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

import orjson
import structlog

from ..clock import Clock
from ..errors import StoreUnavailable
from ..store.guard import Store
from ..store.script import Script

log = structlog.get_logger(__name__)
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
TaskFn = Callable[..., Awaitable[None]]
NAME = "{jobs}"
"""Of the queue in Redis: the braces keep all of it in one hash slot."""
WATCH_S = 1.0
LONGEST_S = 3600.0
PRIORITY = "normal"
"""streaq's only one here: urgency is a matter of lanes."""
PAGE = 500
"""Entries of a stream that are looked at in one call: some 2 ms, in which Redis answers nobody else."""
PAGES = 100
"""In a stream that is longer than these, no task whose data is there can be said to be lost."""
IDS_AT_ONCE = 200
"""Tasks that are asked about in one call."""
LOOK_EVERY_S = 10.0
"""A long stream is looked through no more often, whoever sweeps."""

delivery: ContextVar[int] = ContextVar("delivery", default=1)
"""How many times the task that runs now has been begun, this time included: the number that fences late effects off."""


class Later(Exception):
    """Raised by a task that shall run again in ``delay_s`` seconds; what it has done is its own to remember."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(f"again in {delay_s:.3f} s")
        self.delay_s = delay_s


@dataclass(frozen=True, slots=True)
class Depth:
    """A lane's tasks: ``waiting`` for a worker, the oldest for ``oldest_s``; ``delayed`` until a time; ``running``."""

    waiting: int
    delayed: int
    running: int
    oldest_s: float


class Track(ABC):
    """Whose tasks they are."""

    @property
    def longest_s(self) -> float:
        """No task of it takes so long: one that does hangs, is ended, and runs again."""
        return LONGEST_S

    @property
    @abstractmethod
    def tasks(self) -> Mapping[str, TaskFn]:
        """Name (``LANE.NAME``) and what runs for it in a worker process, called with what was put."""

    async def start(self) -> None:  # noqa: B027 - most need no more than their tasks
        """Begin what else a worker process does for the track."""

    async def aclose(self) -> None:  # noqa: B027
        """End it."""


class Queue:
    """All lanes. Every method raises StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._put = Script(store, __package__, "queue_put")
        self._mend = Script(store, __package__, "queue_mend")
        self._cancel = Script(store, __package__, "queue_cancel")
        self._depth = Script(store, __package__, "queue_depth")
        self.depths: dict[str, Depth] = {}
        """As ``watch`` has read them last, by lane; none while Redis is away, and in processes that do not watch."""

    async def put(self, task: str, task_id: str, *args: Json, delay_s: float = 0.0) -> bool:
        """Have ``task`` (``LANE.NAME``) run with ``args``, in ``delay_s``; False: one with this id is still there."""
        keys = Keys(lane_of(task))
        return bool(
            await self._put(
                (keys.data(task_id), keys.stream, keys.delayed), task_id, _data(task, *args), round(delay_s * 1000)
            )
        )

    async def mend(self, task: str, ids: Sequence[str]) -> list[str]:
        """Put those tasks ``task(id)`` again that are lost, wholly or but for what ``put`` knows them by; which.

        A stream of more than a page is looked through by one caller at a time, and by none if it is very long; tasks of
        which nothing is left are put again all the same.
        """
        keys = Keys(lane_of(task))
        put, unclear = await self._put_lost(keys, task, ids, "-")
        if unclear and await self._store.execute("SET", keys.looked, 1, "NX", "PX", round(LOOK_EVERY_S * 1000)):
            missing, end = await self._look_through(keys, unclear)
            if end is None:
                log.warning("stream_too_long", lane=keys.lane, entries_seen=PAGES * PAGE, tasks_unclear=len(missing))
            else:
                put += (await self._put_lost(keys, task, missing, end))[0]
        if put:
            log.warning("tasks_put_again", lane=keys.lane, task_ids=put)
        return put

    async def _put_lost(self, keys: "Keys", task: str, ids: Sequence[str], start: str) -> tuple[list[str], list[str]]:
        """Those put again, and those that may stand beyond the page of the stream that begins at ``start``."""
        put: list[str] = []
        unclear: list[str] = []
        for begin in range(0, len(ids), IDS_AT_ONCE):
            some = ids[begin : begin + IDS_AT_ONCE]
            given = [part for task_id in some for part in (task_id, _data(task, task_id))]
            answer = await self._mend((keys.stream, keys.delayed, *map(keys.data, some)), start, PAGE, *given)
            for found, raw in zip((put, unclear), answer, strict=True):
                found += [task_id.decode() for task_id in raw]
        return put, unclear

    async def _look_through(self, keys: "Keys", ids: Sequence[str]) -> tuple[list[str], str | None]:
        """Those of ``ids`` that are not in the stream, and where that goes on; None: it is too long to say."""
        missing, start = dict.fromkeys(map(str.encode, ids)), "-"
        for _ in range(PAGES):
            page = await self._store.execute("XRANGE", keys.stream, start, "+", "COUNT", PAGE)
            for _, fields in page:
                missing.pop(dict(zip(fields[::2], fields[1::2], strict=True)).get(b"task_id", b""), None)
            if page:
                start = f"({page[-1][0].decode()}"
            if len(page) < PAGE:
                return [task_id.decode() for task_id in missing], start
        return [task_id.decode() for task_id in missing], None

    async def cancel(self, task: str, task_id: str) -> None:
        """End the task: at once while it waits, within half a second while it runs."""
        keys = Keys(lane_of(task))
        await self._cancel((keys.data(task_id), keys.tries(task_id), keys.delayed, keys.aborted), task_id)

    async def depth(self, lane: str) -> Depth:
        """How much is in a lane."""
        keys = Keys(lane)
        waiting, delayed, running, oldest_ms = await self._depth((keys.stream, keys.delayed))
        return Depth(int(waiting), int(delayed), int(running), int(oldest_ms) / 1000)

    async def watch(self, lanes: Iterable[str], clock: Clock) -> None:
        """Read the depths each second, until cancelled."""
        while True:
            for lane in lanes:
                try:
                    self.depths[lane] = await self.depth(lane)
                except StoreUnavailable:
                    self.depths.pop(lane, None)
            await clock.sleep(WATCH_S)


def _data(task: str, *args: Json) -> bytes:
    return orjson.dumps({"f": task, "a": args, "k": {}})


def lane_of(task: str) -> str:
    """The lane is the first part of a task's name: ``jobs.run`` runs in ``jobs``."""
    return task.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Keys:
    """The names that streaq gives to a lane's keys, and two of our own."""

    lane: str

    @property
    def queue(self) -> str:
        """What streaq calls the queue."""
        return f"{NAME}:{self.lane}"

    @property
    def stream(self) -> str:
        """Tasks that wait or run."""
        return f"streaq:{self.queue}:queues:{PRIORITY}"

    @property
    def delayed(self) -> str:
        """Tasks by the time at which they are due."""
        return f"streaq:{self.queue}:queues:delayed:{PRIORITY}"

    @property
    def aborted(self) -> str:
        """Ids of tasks that shall end."""
        return f"streaq:{self.queue}:aborted"

    @property
    def looked(self) -> str:
        """There for a while after somebody has looked through the stream."""
        return f"streaq:{self.queue}:looked"

    def data(self, task_id: str) -> str:
        """A task's name and arguments; there for as long as the task is not done."""
        return f"streaq:{self.queue}:task:data:{task_id}"

    def tries(self, task_id: str) -> str:
        """How many times it was begun."""
        return f"streaq:{self.queue}:task:retry:{task_id}"

    def held(self, task_id: str) -> str:
        """For which of its entries it runs now, and where; ours, and there for as long as its worker is heard of."""
        return f"streaq:{self.queue}:task:held:{task_id}"
