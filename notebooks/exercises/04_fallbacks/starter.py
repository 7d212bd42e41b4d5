"""Exercise 4: what do you show the user when the circuit of your provider is open?

`Ladder.answer` asks the first model and hopes. README.md lists the policies to build; `gauntlet learn check 4` judges
by what reaches the providers and by what the replies say. Add what you like, and keep the names and parameters that
stand here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

ENOUGH_S = 2.0
"""A large model needs this long; with less left only a small one is of use."""
RESERVE_S = 0.25
"""Kept of the time that an ask has, to answer in."""
STALE_S = 24 * 3600.0
"""A kept answer may be shown until it is as old as this."""


class ProviderError(Exception):
    """A model's call failed: with an HTTP status, or None where no answer came in time."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


class Clock(Protocol):
    """Time, as the checks give it."""

    def now(self) -> float: ...

    async def sleep(self, delay_s: float) -> None: ...


class Circuit(Protocol):
    """The circuit breaker of one provider: ask it before a call, and tell it after."""

    def allows(self) -> bool:
        """Whether a call may be made now; asking changes nothing."""
        ...

    def record(self, ok: bool) -> None:
        """Tell how a call went: True for an answer, False where the provider failed."""
        ...

    def returns_in_s(self) -> float:
        """Seconds until it allows a call again; 0 when it does."""
        ...


class Model(Protocol):
    """A model of a provider. Its retries are made within a call; two models of one provider share its circuit."""

    name: str
    provider: str
    small: bool
    circuit: Circuit

    async def __call__(self, messages: Sequence[Mapping[str, str]], *, timeout_s: float) -> str:
        """The answer's text, in at most `timeout_s`. Raises ProviderError."""
        ...


@dataclass(frozen=True)
class Ask:
    """What somebody asks, and until when (by the clock) they want a reply."""

    tenant: str
    messages: Sequence[Mapping[str, str]]
    deadline_s: float


@dataclass(frozen=True)
class Reply:
    """What is shown.

    `source` is "live" (the first model), "provider" (another provider's large model), "smaller_model", "stale" (kept
    since `age_s` ago) or "message" (no answer: `status` is 503, and `retry_after_s` says when to come again). In
    `degraded` stands why it is not "live", as `("anthropic:open",)`.
    """

    text: str
    source: str
    status: int = 200
    degraded: tuple[str, ...] = ()
    age_s: float = 0.0
    retry_after_s: float | None = None


class Ladder:
    """The models in the order of preference (the small one last), and what comes after them."""

    def __init__(self, models: Sequence[Model], clock: Clock) -> None:
        self._models, self._clock = models, clock

    async def answer(self, ask: Ask) -> Reply:
        """What to show, before `ask.deadline_s`. Raises ProviderError where the request itself is wrong."""
        first = self._models[0]
        text = await first(ask.messages, timeout_s=ask.deadline_s - self._clock.now())
        return Reply(text, "live")
