"""What stands in for the rest of the service in a unit test: time, providers, the inner stages, a store that is away.

``FakeClock`` is virtual time: whoever sleeps is woken, in order, as soon as nothing else has work to do. Everything
that is not a fake here is the real part; the real Valkey comes from ``conftest.py``.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any

from service.errors import StoreUnavailable
from service.llm.provider import Completion, LLMRequest, LLMStream, Message, Usage
from service.llm.routes import Route, Rung
from service.settings import BrokenStream, ProviderSettings
from service.stages.ask import Ask
from service.stages.reply import Delta, Event, Reply
from service.store.guard import Store
from service.store.replica import Replica

IDLE_TURNS = 50
"""Loop turns without a new timer after which everybody is taken to wait for time."""


class FakeClock:
    """Virtual time, starting at 1,000 s; ``slept`` lists what was asked for."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._timers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._armed = False

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now + 1_700_000_000

    def advance(self, seconds: float) -> None:
        """Let time pass while nobody looks."""
        self.now += seconds

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        await self._timer(self.now + delay_s)

    def timeout_at(self, when_s: float | None) -> "_Timeout":
        return _Timeout(self, when_s)

    def _timer(self, when_s: float) -> "asyncio.Future[None]":
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._timers, (when_s, next(self._order), future))
        if not self._armed:
            self._armed = True
            self._wait_idle(IDLE_TURNS)
        return future

    def _wait_idle(self, turns: int) -> None:
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(self._wait_idle, turns - 1)
            return
        while self._timers and self._timers[0][2].done():
            heapq.heappop(self._timers)
        self._armed = bool(self._timers)
        if self._timers:
            when_s, _, future = heapq.heappop(self._timers)
            self.now = max(self.now, when_s)
            future.set_result(None)
            loop.call_soon(self._wait_idle, IDLE_TURNS)


class _Timeout:
    """``asyncio.timeout_at`` on virtual time."""

    def __init__(self, clock: FakeClock, when_s: float | None) -> None:
        self._clock = clock
        self._when_s = when_s
        self._timer: asyncio.Future[None] | None = None
        self._expired = False

    async def __aenter__(self) -> "_Timeout":
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        if self._when_s is not None:
            self._timer = self._clock._timer(self._when_s)
            self._timer.add_done_callback(self._expire)
        return self

    def _expire(self, timer: "asyncio.Future[None]") -> None:
        if not timer.cancelled():
            self._expired = True
            self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.remove_done_callback(self._expire)
            self._timer.cancel()
        cancelled = isinstance(error, asyncio.CancelledError)
        if self._expired and self._task.uncancel() <= self._cancelling and cancelled:
            raise TimeoutError from error


SONNET = Rung("anthropic", "claude-opus-4-7")
GPT = Rung("openai", "gpt-5.5")
MINI = Rung("openai", "gpt-5.4-mini", smaller=True)
PROVIDERS = {
    kind: ProviderSettings(kind=kind, base_url="http://127.0.0.1:9", api_key_env="KEY")
    for kind in ("anthropic", "openai")
}


def route(*rungs: Rung, broken_stream: BrokenStream = "restart") -> Route:
    """A route over ``rungs`` (default: two providers) with a deadline of 5 s."""
    return Route("default", rungs or (SONNET, GPT), broken_stream, 5.0, 1024)


def ask(clock: FakeClock, *rungs: Rung, broken_stream: BrokenStream = "restart", **given: Any) -> Ask:
    """A question of alice's that has its whole deadline of 5 s."""
    known: dict[str, Any] = {
        "request_id": "00000000-0000-4000-8000-000000000001",
        "tenant": "acme",
        "user": "alice",
        "route": route(*rungs, broken_stream=broken_stream),
        "messages": (Message("user", "What does it cost?"),),
        "clock": clock,
        "started_s": clock.monotonic(),
        "deadline_s": clock.monotonic() + 5.0,
    }
    return Ask(**{**known, **given})


def decisions(asked: Ask, stage: str) -> list[str]:
    """What ``stage`` decided, in order."""
    return [decision for name, decision, _, _ in asked.path if name == stage]


def live(text: str = "42", *, rung: Rung = SONNET, finish_reason: str = "stop") -> Reply:
    """A whole answer."""
    return Reply(source="live", provider=rung.provider, model=rung.model, text=text, finish_reason=finish_reason)


Step = Reply | BaseException | Callable[[Ask], Awaitable[Reply]]


class Scripted:
    """The rest of the chain: plays one step per call; the last one again and again. ``asks`` lists rungs asked."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.rungs: list[Rung] = []
        self.deadlines_s: list[float] = []

    async def __call__(self, asked: Ask) -> Reply:
        self.rungs.append(asked.rung)
        self.deadlines_s.append(asked.rung_deadline_s)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, BaseException):
            raise step
        return step if isinstance(step, Reply) else await step(asked)


async def pieces(*parts: str | BaseException) -> AsyncIterator[Event]:
    """Events of a stream; an exception among the parts is raised in its turn."""
    for part in parts:
        if isinstance(part, BaseException):
            raise part
        yield Delta(part)


def streaming(*parts: str | BaseException, rung: Rung = SONNET) -> Reply:
    """A committed stream."""
    return Reply(source="live", provider=rung.provider, model=rung.model, events=pieces(*parts), finish_reason="stop")


async def read(reply: Reply) -> list[Event]:
    """All events; the reply is closed, as the endpoints do."""
    try:
        return [event async for event in reply]
    finally:
        await reply.aclose()


async def until(condition: Callable[[], bool], *, pause_s: float = 0.0) -> None:
    """Let others run until ``condition`` holds; ``pause_s`` where they wait for something outside the process."""
    given_up_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < given_up_s, "what the test waits for did not happen"
        await asyncio.sleep(pause_s)


HANG = object()
"""A piece of a scripted stream that never comes."""


class ScriptedStream:
    """An ``LLMStream`` that plays pieces: text, a delay in seconds, HANG or an exception."""

    def __init__(self, clock: FakeClock, pieces: Sequence[object], usage: Usage) -> None:
        self._clock = clock
        self._pieces = iter(pieces)
        self.usage = usage
        self.finish_reason: str | None = None
        self.closed = False

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        for piece in self._pieces:
            if isinstance(piece, BaseException):
                raise piece
            if piece is HANG:
                await asyncio.get_running_loop().create_future()
            elif isinstance(piece, int | float):
                await self._clock.sleep(piece)
            else:
                return str(piece)
        self.finish_reason = "stop"
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


USED = Usage(100, 50, 0)


class ScriptedProvider:
    """An ``LLMProvider`` whose one answer is a script; ``requests`` lists what it was asked."""

    def __init__(
        self,
        clock: FakeClock,
        *pieces: object,
        name: str = "anthropic",
        usage: Usage = USED,
        lacks: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.lacks = lacks
        self.requests: list[LLMRequest] = []
        self.streams: list[ScriptedStream] = []
        self._clock = clock
        self._pieces = pieces
        self._usage = usage

    async def call(self, messages: Sequence[Message]) -> str:
        return (await self.complete(LLMRequest("model", messages, 1024))).text

    async def complete(self, request: LLMRequest) -> Completion:
        self.requests.append(request)
        text = "".join([piece async for piece in ScriptedStream(self._clock, self._pieces, self._usage)])
        return Completion(text, request.model, "stop", self._usage)

    async def stream(self, request: LLMRequest) -> LLMStream:
        self.requests.append(request)
        self.streams.append(ScriptedStream(self._clock, self._pieces, self._usage))
        return self.streams[-1]

    async def aclose(self) -> None:
        return None


class AwayStore(Store):
    """A store that is away; ``come_back`` runs what was to run on its return."""

    def __init__(self) -> None:
        self._on_return: list[Callable[[], None]] = []

    @property
    def away(self) -> bool:
        return True

    async def execute(self, *arguments: object) -> Any:
        raise StoreUnavailable("Redis is away", retry_after_s=1.0)

    def come_back(self) -> None:
        for hook in self._on_return:
            hook()


def idle_replica(store: Store, clock: FakeClock) -> Replica:
    """A replica that nobody started: it takes who follows, and tells them nothing."""
    return Replica(store, "redis://127.0.0.1:9/0", refresh_s=1.0, clock=clock)
