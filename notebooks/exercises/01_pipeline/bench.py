"""What the probes of exercise 1 try a pipeline with: providers, questions, and short words for what came."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from notebooks.grader import World
from notebooks.grader.providers import Provider
from notebooks.grader.world import Outcome

FIRST, SECOND = "openai", "anthropic"
MODELS = {
    FIRST: {"large": "gpt-5.5", "small": "gpt-5.4-mini"},
    SECOND: {"large": "claude-opus-4-7", "small": "claude-haiku-5-5"},
}
WALL_S = 10.0
"""By the wall clock: no call is meant to end by it, on however slow a machine."""
QUESTION = "Why do retries need jitter?"


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


class Bench:
    """A pipeline of the learner's, and short words for what is asked of it."""

    def __init__(self, world: World, *, takes_s: float = 0.0) -> None:
        self.world = world
        self.tried = {
            name: world.provider(name, world.yours.ProviderError, takes_s=takes_s) for name in (FIRST, SECOND)
        }
        providers = {name: provider(name, one) for name, one in self.tried.items()}
        self.pipeline = world.yours.Pipeline(providers, world.clock, world.random)

    async def ask(self, text: str = QUESTION, *, who: str = "alice", tenant: str = "acme", **more: Any) -> Outcome[Any]:
        """What comes of one question; `more` goes into the Ask."""
        ask = self.world.yours.Ask(**{"user": who, "tenant": tenant, "messages": (user(text),), **more})
        outcome = await self.world.outcome(self.pipeline(ask))
        self.world.note(f"{who} of {tenant}", told(outcome), ok=outcome.error is None)
        return outcome

    async def questions(self, how_many: int, about: str, **more: Any) -> list[Outcome[Any]]:
        """As many different ones at once."""
        asked = [self.ask(f"{about}, part {number}: what is a token bucket?", **more) for number in range(how_many)]
        return [outcome.value for outcome in await self.world.together(asked) if outcome.value is not None]

    async def each(self, how_many: int, about: str) -> list[Outcome[Any]]:
        """As many different ones, one after the other."""
        return [await self.ask(f"{about}, part {number}?") for number in range(how_many)]

    def waits(self, target: str = FIRST) -> list[float]:
        """The seconds by the clock between the calls to a provider."""
        calls = self.tried[target].calls
        return [after.at_s - before.until_s for before, after in pairwise(calls)]

    async def calls(self, target: str = FIRST) -> list[int]:
        """The statuses of a provider's calls in the ledger, in their order; 0 where it gave no answer."""
        return [row["status"] or 0 for row in await self.world.simulator.calls(target)]


def provider(name: str, one: Provider) -> Callable[..., Awaitable[str]]:
    """A provider as the starter describes it; the second one knows neither temperature nor seed."""
    one.timeout_s = WALL_S

    async def attempt(
        messages: Sequence[Mapping[str, str]], *, model: str, temperature: float = 0.0, seed: int | None = None
    ) -> str:
        sampling = {"temperature": temperature, "seed": seed} if name == FIRST else {}
        return await one(messages, model=MODELS[name][model], **sampling)

    return attempt


def told(outcome: Outcome[Any]) -> str:
    return source(outcome) if outcome.error is None else type(outcome.error).__name__


def came(outcome: Outcome[Any]) -> str:
    """What came of a question, in words: a reply's label, or what was raised."""
    return f"a reply as {source(outcome)!r}" if outcome.error is None else f"your pipeline {outcome.words}"


def source(outcome: Outcome[Any]) -> str:
    """The reply's label, or what was raised."""
    return str(getattr(outcome.value, "source", outcome.words)) if outcome.error is None else outcome.words


def text(outcome: Outcome[Any]) -> str:
    return str(getattr(outcome.value, "text", ""))


def n_calls(calls: int) -> str:
    """`1 call`, `2 calls`."""
    return f"{calls} call" + ("" if calls == 1 else "s")


def counted(words: Sequence[str]) -> str:
    """`7 live, 3 provider`."""
    return ", ".join(f"{number} {word}" for word, number in Counter(words).items()) or "nothing"


DIFFERENT: Mapping[str, Mapping[str, Any]] = {
    "by another tenant": {"tenant": "globex"},
    "for the other model": {"model": "small"},
    "at temperature 0.7 (both with seed 7)": {"temperature": 0.7},
    "with seed 8": {"seed": 8},
    "after another turn": {
        "messages": (user("Speak of queues."), {"role": "assistant", "content": "Yes."}, user(QUESTION))
    },
    "under a system message": {"messages": ({"role": "system", "content": "Answer in French."}, user(QUESTION))},
    "with its words said by the system": {"messages": ({"role": "system", "content": QUESTION}, user(QUESTION))},
    "with its words said twice by the user": {"messages": (user(QUESTION), user(QUESTION))},
}
"""What else may be said with QUESTION and seed 7, and changes the answer or whose it is."""
