"""The order is data; a stage that is switched off is stepped over and says so."""

import itertools

import pytest

from service.stages.ask import Ask
from service.stages.chain import Next, Stage, compose
from service.stages.reply import Reply

from ..fakes import FakeClock, Scripted, ask, live


class Named:
    """A stage that only writes its name down, on the way in and on the way out."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self.name = name
        self._seen = seen

    async def __call__(self, ask: Ask, go_on: Next) -> Reply:
        self._seen.append(f"+{self.name}")
        reply = await go_on(ask)
        self._seen.append(f"-{self.name}")
        return reply


def chain_of(names: tuple[str, ...], seen: list[str]) -> Next:
    stages: list[Stage] = [Named(name, seen) for name in names]
    return compose(stages, Scripted(live()))


@pytest.mark.parametrize("order", list(itertools.permutations(["cache", "retry", "breaker"])))
async def test_stages_run_in_the_order_given_outermost_first(clock: FakeClock, order: tuple[str, ...]) -> None:
    seen: list[str] = []
    await chain_of(order, seen)(ask(clock))
    assert seen == [f"+{name}" for name in order] + [f"-{name}" for name in reversed(order)]


async def test_a_stage_that_is_off_is_stepped_over_and_reported(clock: FakeClock) -> None:
    seen: list[str] = []
    asked = ask(clock, off=frozenset({"retry"}))
    await chain_of(("cache", "retry", "breaker"), seen)(asked)
    assert seen == ["+cache", "+breaker", "-breaker", "-cache"]
    assert [(stage, decision) for stage, decision, _, _ in asked.path] == [("retry", "off")]


async def test_without_stages_the_chain_is_the_call(clock: FakeClock) -> None:
    reply = live()
    assert await compose([], Scripted(reply))(ask(clock)) is reply
