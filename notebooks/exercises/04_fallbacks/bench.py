"""What the probes of exercise 4 try a ladder with: models over real HTTP, and their providers' circuits."""

from collections.abc import Mapping, Sequence
from typing import Any

from notebooks.grader import World
from notebooks.grader.clock import Clock
from notebooks.grader.world import Outcome

FIRST, SECOND = "anthropic", "openai"
LARGE, NEXT, SMALL = "claude-opus-4-7", "gpt-5.5", "gpt-5.4-mini"
QUESTION = "What does a circuit breaker do?"
THRESHOLD, COOLDOWN_S = 5, 30.0
PATIENCE_S = 10.0
WALL_S = 10.0
"""By the wall clock: no call is meant to end by it, on however slow a machine."""


class Circuit:
    """A working circuit breaker without a limit on calls while half-open; `told` is what it was told."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._failures, self._open_until_s = clock, 0, 0.0
        self.told: list[bool] = []

    def allows(self) -> bool:
        return self.returns_in_s() == 0

    def record(self, ok: bool) -> None:
        self.told.append(ok)
        self._failures = 0 if ok else self._failures + 1
        if self._failures >= THRESHOLD:
            self.open_for(COOLDOWN_S)

    def returns_in_s(self) -> float:
        return max(0.0, self._open_until_s - self._clock.now())

    def open_for(self, seconds: float) -> None:
        self._open_until_s = self._clock.now() + seconds


class Model:
    """A model as the starter describes it; `takes_s` is by the clock, and `asked` has what it was given each time."""

    def __init__(self, world: World, name: str, provider: str, circuit: Circuit, takes_s: float) -> None:
        self.name, self.provider, self.small = name, provider, name == SMALL
        self.circuit, self.takes_s, self._world = circuit, takes_s, world
        self.asked: list[float] = []

    async def __call__(self, messages: Sequence[Mapping[str, str]], *, timeout_s: float) -> str:
        self.asked.append(timeout_s)
        raises = self._world.yours.ProviderError
        one = self._world.provider(self.provider, raises, takes_s=min(self.takes_s, max(0.0, timeout_s)))
        one.timeout_s = WALL_S
        text = await one(messages, model=self.name)
        if self.takes_s > timeout_s:
            raise raises(None, None)
        return text


class Bench:
    """A ladder of the learner's with its models and circuits, and short words for what is asked of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.circuits = {name: Circuit(world.clock) for name in (FIRST, SECOND)}
        self.models = [
            Model(world, name, provider, self.circuits[provider], takes_s)
            for name, provider, takes_s in ((LARGE, FIRST, 1.0), (NEXT, SECOND, 1.0), (SMALL, SECOND, 0.4))
        ]
        self.ladder = world.yours.Ladder(self.models, world.clock)

    def open(self, *providers: str, seconds: float = COOLDOWN_S) -> None:
        """Open circuits for so long."""
        for name in providers:
            self.circuits[name].open_for(seconds)
            self.world.note(f"{name} circuit", f"open for {seconds:g} s", ok=False)

    async def hang(self, provider: str) -> None:
        """From now on a provider takes calls, and ends each without an answer when its time is up."""
        await self.world.simulator.fault(provider, "reset")
        for model in self.models:
            if model.provider == provider:
                model.takes_s = 3600.0

    async def ask(
        self,
        text: str = QUESTION,
        *,
        tenant: str = "acme",
        within_s: float = PATIENCE_S,
        before: tuple[str, str] | None = None,
    ) -> Outcome[Any]:
        """What comes of one question that has to be answered `within_s`; `before` it came another and its answer."""
        turns = [*zip(("user", "assistant"), before or (), strict=False), ("user", text)]
        messages = tuple({"role": role, "content": content} for role, content in turns)
        ask = self.world.yours.Ask(tenant=tenant, messages=messages, deadline_s=self.world.clock.now() + within_s)
        outcome = await self.world.outcome(self.ladder.answer(ask))
        self.world.note(f"shown to {tenant}", shown(outcome), ok=outcome.error is None)
        return outcome

    def heard(self) -> str:
        """What each circuit was told, in words."""
        return "; ".join(f"{name}'s circuit told {one.told or 'nothing'}" for name, one in self.circuits.items())

    async def calls(self) -> list[str]:
        """The models that were called, by the ledger."""
        return [str(row["model"]) for row in await self.world.simulator.calls()]


def shown(outcome: Outcome[Any]) -> str:
    """The reply's label, or the error's name."""
    return str(getattr(outcome.value, "source", "nothing")) if outcome.error is None else type(outcome.error).__name__


def of(outcome: Outcome[Any], field: str) -> Any:
    """A field of the reply; None where there is none."""
    return getattr(outcome.value, field, None)


def number(outcome: Outcome[Any], field: str) -> float:
    """The same of a field that is a number; 0 where it is none."""
    value = of(outcome, field)
    return float(value) if isinstance(value, int | float) else 0.0


def told(outcome: Outcome[Any]) -> str:
    """What came, in words: the fields of a reply that matter here, or what was raised."""
    if outcome.error is not None or outcome.value is None:
        return f"your ladder {outcome.words}"
    more = [f"status {of(outcome, 'status')}", f"degraded {list(of(outcome, 'degraded') or ())}"]
    more += [f"age_s {number(outcome, 'age_s'):.0f}"] if of(outcome, "age_s") else []
    more += [f"retry_after_s {of(outcome, 'retry_after_s')!r}"] if of(outcome, "retry_after_s") is not None else []
    return f"{shown(outcome)!r}, {', '.join(more)}"
