"""One way to do exercise 1. What one process remembers is enough here; `service/stages` does the same for a fleet."""

import hashlib
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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


@dataclass
class Kept:
    reply: Reply
    at_s: float


@dataclass
class Bucket:
    """A token bucket: it fills by PER_MINUTE up to BURST."""

    at_s: float
    tokens: float = BURST

    def take(self, now_s: float) -> None:
        """Take a token, or none and raise RateLimited. Nothing is awaited between the look and the taking."""
        per_s = PER_MINUTE / 60
        self.tokens = min(BURST, self.tokens + (now_s - self.at_s) * per_s)
        self.at_s = now_s
        if self.tokens < 1:
            raise RateLimited((1 - self.tokens) / per_s)
        self.tokens -= 1


@dataclass
class Circuit:
    """Closed until `failures` reaches THRESHOLD; then open; after COOLDOWN_S half-open for one call at a time."""

    failures: int = 0
    opened_s: float = 0.0
    probing: bool = False

    def admit(self, now_s: float) -> bool:
        """Whether this call is the one that finds out. Raises CircuitOpen."""
        if self.failures < THRESHOLD:
            return False
        if self.probing or now_s < self.opened_s + COOLDOWN_S:
            raise CircuitOpen
        self.probing = True
        return True

    def failed(self, now_s: float) -> None:
        self.failures += 1
        self.opened_s = now_s


@dataclass
class State:
    """What the stages share and remember."""

    providers: Mapping[str, Provider]
    clock: Clock
    rng: random.Random
    answers: dict[str, Kept] = field(default_factory=dict)
    buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict)
    circuits: dict[str, Circuit] = field(default_factory=lambda: {name: Circuit() for name in PROVIDERS})


def key_of(ask: Ask) -> str:
    """All that changes the answer, and whose it is; JSON, so that no two different asks run together into one text."""
    parts = [ask.tenant, ask.model, ask.temperature, ask.seed, [dict(message) for message in ask.messages]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def is_repeatable(ask: Ask) -> bool:
    return ask.temperature == 0 or ask.seed is not None


async def cache(state: State, ask: Ask, go_on: Next) -> Reply:
    """The same question costs one call an hour; only what the first provider said is kept."""
    if not is_repeatable(ask):
        return await go_on(ask)
    key = key_of(ask)
    kept = state.answers.get(key)
    if kept is not None and state.clock.now() - kept.at_s < KEPT_S:
        return replace(kept.reply, source="cache")
    reply = await go_on(ask)
    if reply.source == "live":
        state.answers[key] = Kept(reply, state.clock.now())
    return reply


async def rate_limit(state: State, ask: Ask, go_on: Next) -> Reply:
    """One user's flood is that user's problem. Raises RateLimited."""
    now_s = state.clock.now()
    state.buckets.setdefault((ask.tenant, ask.user), Bucket(now_s)).take(now_s)
    return await go_on(ask)


async def fallback(state: State, ask: Ask, go_on: Next) -> Reply:
    """When the first provider cannot, the second answers, and the reply says so."""
    first, second = PROVIDERS
    try:
        return await go_on(replace(ask, provider=first))
    except ProviderError as error:
        if not is_providers_fault(error):
            raise
    except CircuitOpen:
        pass
    return replace(await go_on(replace(ask, provider=second)), source="provider")


def is_providers_fault(error: ProviderError) -> bool:
    """Whether it may go well at another time, or elsewhere; else the request itself is wrong."""
    return error.status is None or error.status in (408, 429) or error.status >= 500


async def retry(state: State, ask: Ask, go_on: Next) -> Reply:
    """A bad moment passes. CircuitOpen is not caught: an open circuit retries nothing."""
    for number in range(ATTEMPTS - 1):
        try:
            return await go_on(ask)
        except ProviderError as error:
            if not is_providers_fault(error):
                raise
        await state.clock.sleep(state.rng.uniform(0, min(CAP_S, BASE_S * 2**number)))
    return await go_on(ask)


async def breaker(state: State, ask: Ask, go_on: Next) -> Reply:
    """A dead provider is left alone, and one call at a time finds out whether it is back. Raises CircuitOpen."""
    circuit = state.circuits[ask.provider]
    is_probe = circuit.admit(state.clock.now())
    try:
        reply = await go_on(ask)
    except ProviderError as error:
        if is_providers_fault(error) and error.status != 429:  # a provider that says "too much" is alive
            circuit.failed(state.clock.now())
        raise
    else:
        circuit.failures = 0
        return reply
    finally:
        if is_probe:
            circuit.probing = False


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
