"""What exercise 5 is tried with: replicas of the learner's breaker, and what came of calls. Read `probes.py` next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import ModuleType
from typing import Any

from notebooks.grader import World
from notebooks.grader.world import Outcome

QUESTION = [{"role": "user", "content": "What does a circuit breaker do?"}]
FAILURES, COOLDOWN_S, LEASE_S = 5, 30.0, 10.0
CLOSE_S = 0.01
"""So near is near enough for seconds that a learner's code added and subtracted."""


class Replica:
    """One process of the service: the learner's file with a memory and a client of the store of its own."""

    def __init__(self, world: World, code: ModuleType, name: str = "") -> None:
        self.world, self.code, self.name = world, code, name
        self.store = world.store(name or "yours")
        self.breaker = self.made("anthropic")

    def made(self, provider: str) -> Any:
        """The breaker of a provider."""
        return self.code.CircuitBreaker(provider, store=self.store, clock=self.world.clock)

    def provider(self, takes_s: float = 0.0) -> Callable[[], Awaitable[str]]:
        """One call to Anthropic."""
        provider = self.world.provider("anthropic", self.code.ProviderError, takes_s=takes_s)

        async def once() -> str:
            return await provider(QUESTION)

        return once

    async def asks(
        self, call: Callable[[], Awaitable[str]] | None = None, *, takes_s: float = 0.0, by: Any = None
    ) -> Outcome[str]:
        """One request through the breaker; who is refused is on the timeline."""
        outcome: Outcome[str] = await self.world.outcome(
            (by or self.breaker).call(call or self.provider(takes_s=takes_s))
        )
        if self.refused(outcome):
            self.world.note(f"refused {self.name}".strip(), "", ok=False)
        return outcome

    async def fails(self, times: int) -> list[Outcome[str]]:
        """So many requests, one after the other, to a provider that answers 503."""
        await self.world.simulator.fault("anthropic", "status", status=503, times=times)
        return [await self.asks() for _ in range(times)]

    async def opens(self) -> None:
        """Five failures in a row."""
        await self.fails(FAILURES)

    def refused(self, outcome: Outcome[str]) -> bool:
        """Whether a request ended with CircuitOpen."""
        return isinstance(outcome.error, self.code.CircuitOpen)

    def task(self, call: Callable[[], Awaitable[str]] | None = None, *, takes_s: float = 0.0) -> asyncio.Task[Any]:
        """A request that goes on beside the others."""
        return asyncio.create_task(self.asks(call, takes_s=takes_s))


def until(world: World, at_s: float) -> None:
    """Let time pass until a moment of the clock."""
    world.clock.advance(at_s - world.clock.now())


async def statuses(world: World) -> list[int]:
    """What the ledger says was called, in order."""
    return [row["status"] for row in await world.simulator.calls()]


def answered(outcome: Outcome[str]) -> bool:
    """Whether a request ended with the provider's answer."""
    return outcome.error is None and isinstance(outcome.value, str) and bool(outcome.value)


def counted(calls: int) -> str:
    """`1 call`, `2 calls`."""
    return f"{calls} call" + ("" if calls == 1 else "s")


def came(outcome: Outcome[str]) -> str:
    """What came of a request, without the answer's text."""
    return "was answered" if answered(outcome) else outcome.words


def told(outcomes: Sequence[Outcome[Any]]) -> str:
    """Many outcomes in few words."""
    words = [came(outcome) for outcome in outcomes]
    return "; ".join(f"{words.count(one)} x {one}" if words.count(one) > 1 else one for one in dict.fromkeys(words))
