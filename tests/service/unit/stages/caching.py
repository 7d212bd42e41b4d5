"""One worker's cache stage, and inner chains that answer when they are told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from service.clock import SystemClock
from service.settings import CacheSettings
from service.stages.ask import Ask
from service.stages.cache import Cache
from service.stages.reply import Delta, Event, Reply, Restart
from service.store.guard import Store
from service.store.liveness import Liveness
from service.store.settle import Settle

from ..fakes import SONNET, FakeClock, ask, idle_replica, read, until


class Worker:
    """One worker's cache stage."""

    def __init__(self, store: Store, clock: FakeClock | SystemClock, name: str = "w") -> None:
        self.clock = clock
        self.settle = Settle()
        self.searched: str | None = None
        self.cache = Cache(
            CacheSettings(),
            store=store,
            replica=idle_replica(store, FakeClock()),
            liveness=Liveness(store, worker=name, clock=clock),
            settle=self.settle,
            clock=clock,
            searched=lambda: self.searched,
        )

    async def ask(self, inner: Callable[[Ask], Awaitable[Reply]], **given: Any) -> tuple[Ask, Reply]:
        """Ask, read the answer to its end, settle."""
        asked = self.new(**given)
        reply = await self.cache(asked, inner)
        await read(reply)
        await self.settle.drain()
        return asked, reply

    def new(self, **given: Any) -> Ask:
        return ask(self.clock, **given)  # type: ignore[arg-type]  # only what a Clock has is used


class Slow:
    """An inner chain that answers when told to; each call gets its own words."""

    def __init__(self) -> None:
        self.users: list[str] = []
        self.gates: list[asyncio.Future[Reply]] = []

    async def __call__(self, asked: Ask) -> Reply:
        self.users.append(asked.user)
        self.gates.append(asyncio.get_running_loop().create_future())
        return await self.gates[-1]

    async def called(self, times: int) -> None:
        await until(lambda: len(self.gates) >= times, pause_s=0.001)


class Gated:
    """A stream that has these events and does not end before it is told to."""

    def __init__(self, *events: str | Restart) -> None:
        self._gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._given = events
        self.closed = False
        self.reply = Reply(
            source="live", provider=SONNET.provider, model=SONNET.model, events=self._events(), finish_reason="stop"
        )
        self.reply.on_end(self._ended)

    async def _events(self) -> AsyncIterator[Event]:
        for event in self._given:
            yield Delta(event) if isinstance(event, str) else event
        await self._gate

    def _ended(self, _: Reply, outcome: str, error: BaseException | None) -> None:
        self.closed = True

    def finish(self) -> None:
        self._gate.set_result(None)


def degraded(reply: Reply) -> Reply:
    reply.source = "provider"
    reply.degraded.append("anthropic:unavailable")
    return reply
