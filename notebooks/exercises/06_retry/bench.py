"""What exercise 6 is tried with: providers, requests at once, and what came of them. Read `probes.py` next."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from notebooks.grader import World
from notebooks.grader.providers import Provider
from notebooks.grader.world import Outcome

QUESTION = [{"role": "user", "content": "Why do retries need jitter?"}]
BASE_S, CAP_S = 0.2, 2.0
CLOSE_S = 0.001
"""So near is near enough for seconds that a learner's code added and subtracted."""
PLENTY = 1_000.0
"""Of budget, where a probe is about something else."""


def provider_of(world: World, takes_s: float = 0.0) -> Provider:
    """Anthropic, for one request."""
    return world.provider("anthropic", world.yours.ProviderError, takes_s=takes_s)


async def asked(
    world: World,
    provider: Callable[..., Awaitable[str]],
    *,
    deadline_s: float = 60.0,
    budget: Any = None,
    rng: random.Random | None = None,
    attempts: int = 4,
) -> Outcome[str]:
    """One request through the learner's function; `deadline_s` is from now."""
    yours = world.yours

    async def once() -> str:
        return await provider(QUESTION)

    return await world.outcome(
        yours.call_with_retry(
            once,
            clock=world.clock,
            rng=rng or world.random,
            budget=budget or yours.Budget(tokens=PLENTY),
            deadline_s=world.clock.now() + deadline_s,
            attempts=attempts,
        )
    )


async def together(world: World, many: int, **how: Any) -> list[tuple[Provider, Outcome[str]]]:
    """So many requests at once, each with its calls and what came of it."""
    providers = [provider_of(world) for _ in range(many)]
    outcomes = await asyncio.gather(*[asked(world, provider, **how) for provider in providers])
    return list(zip(providers, outcomes, strict=True))


async def statuses(world: World) -> list[int | None]:
    """What the ledger says was called, in order; None: no answer."""
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


def waits_of(provider: Provider) -> list[float]:
    """The seconds between the end of each call of a request and the beginning of its next."""
    return [after.at_s - before.until_s for before, after in zip(provider.calls, provider.calls[1:], strict=False)]


def shown(seconds: Sequence[float]) -> str:
    """`0.03, 0.18, …`, few enough to read."""
    return ", ".join(f"{one:.2f}" for one in seconds[:10]) + (", …" if len(seconds) > 10 else "")
