"""Exercise 1: one call, and six stages that it runs through.

`call` is the proof of concept. The five stages above it pass everything through as it is: make each keep its promise
(README.md has the list). `gauntlet learn check 1` judges by what reaches the providers. Add what you like, and keep the
names and parameters that stand here.
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

PROVIDERS = ("openai", "anthropic")
"""In the order of preference."""
KEPT_S = 3600.0
PER_MINUTE, BURST = 60.0, 20.0
ATTEMPTS, BASE_S, CAP_S = 4, 0.2, 2.0
THRESHOLD, COOLDOWN_S = 5, 30.0


class ProviderError(Exception):
    """A call failed: with an HTTP status, or None where no answer came."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


class CircuitOpen(Exception):
    """The provider is not called now."""


class RateLimited(Exception):
    """This user asked too much, and may ask again after `retry_after_s`."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"ask again in {retry_after_s:.1f} s")
        self.retry_after_s = retry_after_s


class Clock(Protocol):
    """Time, as the checks give it: use it for every wait and every age, and a check takes no time at all."""

    def now(self) -> float: ...

    async def sleep(self, delay_s: float) -> None: ...


class Provider(Protocol):
    """One attempt at a provider's API, with a timeout and without retries. Raises ProviderError."""

    async def __call__(
        self, messages: Sequence[Mapping[str, str]], *, model: str, temperature: float, seed: int | None
    ) -> str: ...


@dataclass(frozen=True)
class Ask:
    """What somebody asks; `provider` says whom to call, and is for the fallback stage to change."""

    user: str
    tenant: str
    messages: Sequence[Mapping[str, str]]
    model: str = "large"
    temperature: float = 0.0
    seed: int | None = None
    provider: str = PROVIDERS[0]


@dataclass(frozen=True)
class Reply:
    """The answer. `source` is "live", "cache", or "provider" when another than the first provider gave it."""

    text: str
    source: str = "live"


Next = Callable[[Ask], Awaitable[Reply]]
"""The stages inside of a stage, as one function."""


class State:
    """What the stages share and remember; one per pipeline, so add what yours need."""

    def __init__(self, providers: Mapping[str, Provider], clock: Clock, rng: random.Random) -> None:
        self.providers, self.clock, self.rng = providers, clock, rng
        self.answers: dict[str, Reply] = {}


def key_of(ask: Ask) -> str:
    """Under what the cache keeps an answer."""
    return ask.messages[-1]["content"]


async def cache(state: State, ask: Ask, go_on: Next) -> Reply:
    """The same question costs one call."""
    return await go_on(ask)


async def rate_limit(state: State, ask: Ask, go_on: Next) -> Reply:
    """One user's flood is that user's problem. Raises RateLimited."""
    return await go_on(ask)


async def fallback(state: State, ask: Ask, go_on: Next) -> Reply:
    """When the first provider cannot, the second answers, and the reply says so."""
    return await go_on(ask)


async def retry(state: State, ask: Ask, go_on: Next) -> Reply:
    """A bad moment passes."""
    return await go_on(ask)


async def breaker(state: State, ask: Ask, go_on: Next) -> Reply:
    """A dead provider is left alone. Raises CircuitOpen."""
    return await go_on(ask)


async def call(state: State, ask: Ask) -> Reply:
    """One attempt. Raises ProviderError."""
    provider = state.providers[ask.provider]
    return Reply(await provider(ask.messages, model=ask.model, temperature=ask.temperature, seed=ask.seed))


STAGES = (cache, rate_limit, fallback, retry, breaker)
"""Outermost first."""


class Pipeline:
    """The stages around the call: `await Pipeline(providers, clock, rng)(ask)`."""

    def __init__(self, providers: Mapping[str, Provider], clock: Clock, rng: random.Random) -> None:
        state = State(providers, clock, rng)
        go_on: Next = partial(call, state)
        for stage in reversed(STAGES):
            go_on = partial(stage, state, go_on=go_on)
        self._run = go_on

    async def __call__(self, ask: Ask) -> Reply:
        """Raises RateLimited, CircuitOpen and ProviderError."""
        return await self._run(ask)
