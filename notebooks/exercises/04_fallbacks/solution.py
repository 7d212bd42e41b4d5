"""One way to do exercise 4: one way down the ladder, each rung under its own precondition."""

import json
import math
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


def is_providers_fault(error: ProviderError) -> bool:
    """Whether another one may do better; else the request itself is wrong."""
    return error.status is None or error.status in (408, 429) or error.status >= 500


@dataclass(frozen=True)
class Kept:
    text: str
    at_s: float


class Ladder:
    """Large models, the small one, the kept answer, the honest message: the first that can and may."""

    def __init__(self, models: Sequence[Model], clock: Clock) -> None:
        self._models, self._clock = models, clock
        self._kept: dict[str, Kept] = {}

    async def answer(self, ask: Ask) -> Reply:
        """What to show, before `ask.deadline_s`. Raises ProviderError where the request itself is wrong."""
        reasons: list[str] = []
        failed: set[str] = set()
        for place, model in enumerate(self._models):
            left_s = ask.deadline_s - RESERVE_S - self._clock.now()
            if model.small and left_s >= ENOUGH_S:
                continue  # a large one failed with time enough: so would the small one
            if why_not := self._why_not(model, left_s, failed):
                reasons.append(why_not)
                continue
            others = {one.provider for one in self._models[place + 1 :]} - failed - {model.provider}
            try:
                text = await model(ask.messages, timeout_s=left_s / 2 if others else left_s)
            except ProviderError as error:
                if not is_providers_fault(error):
                    raise
                model.circuit.record(False)
                failed.add(model.provider)
                reasons.append(f"{model.provider}:{error.status or 'no_answer'}")
            else:
                model.circuit.record(True)
                return self._labelled(ask, model, text, without_twins(reasons))
        why = without_twins(reasons)
        return self._stale(ask, why) or self._message(why)

    def _why_not(self, model: Model, left_s: float, failed: set[str]) -> str:
        """Why this one is not asked; empty when it is."""
        if left_s <= 0 or (left_s < ENOUGH_S and not model.small):
            return "deadline:too_little_time"
        if not model.circuit.allows():
            return f"{model.provider}:open"
        return f"{model.provider}:failed" if model.provider in failed else ""

    def _labelled(self, ask: Ask, model: Model, text: str, why: tuple[str, ...]) -> Reply:
        if model is self._models[0]:
            self._kept[key_of(ask)] = Kept(text, self._clock.now())
            return Reply(text, "live")
        return Reply(text, "smaller_model" if model.small else "provider", degraded=why)

    def _stale(self, ask: Ask, why: tuple[str, ...]) -> Reply | None:
        """What the first model said to the same question, if it is young enough; showing it makes it no younger."""
        kept = self._kept.get(key_of(ask))
        if kept is None or self._clock.now() - kept.at_s > STALE_S:
            return None
        return Reply(kept.text, "stale", degraded=why, age_s=self._clock.now() - kept.at_s)

    def _message(self, why: tuple[str, ...]) -> Reply:
        """No answer, and no pretence of one; come again when the first provider may be asked again."""
        seconds = max(1, math.ceil(min(model.circuit.returns_in_s() for model in self._models)))
        return Reply(
            f"No model can answer at the moment. Please ask again in {seconds} seconds.",
            "message",
            status=503,
            degraded=why,
            retry_after_s=seconds,
        )


def key_of(ask: Ask) -> str:
    return json.dumps([ask.tenant, [dict(message) for message in ask.messages]], sort_keys=True)


def without_twins(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
