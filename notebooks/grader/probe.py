"""A probe: one promise of an exercise, as a function that tries it. Read `world.py` next: what it is given.

    @probe("A 503 is tried again", means="Without it one bad second at the provider is a failed answer for everyone.")
    async def a_503_is_tried_again(world: World) -> None: ...

Probes stand in the order of what depends on what, and the first that fails ends a check, so that what a learner reads
is the first thing that is wrong and not what follows from it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import World

ATTRIBUTE = "__probe__"


@dataclass(frozen=True, slots=True)
class Probe:
    """What is promised (`title`), what it `means` in production where it is not kept, and how to try it."""

    name: str
    title: str
    means: str
    limit_s: float
    run: "Callable[[World], Awaitable[None]]"


class Broken(Exception):
    """The promise is not kept: what was given, what was expected, what was seen."""

    def __init__(self, given: str, expected: str, seen: str) -> None:
        super().__init__(f"given {given}; expected {expected}; seen {seen}")
        self.given, self.expected, self.seen = given, expected, seen


def probe(
    title: str, *, means: str, limit_s: float = 15.0
) -> "Callable[[Callable[[World], Awaitable[None]]], Callable[[World], Awaitable[None]]]":
    """Mark an async function of a World as a probe. `limit_s` is by the wall clock, and generous: it bounds a hang."""

    def marked(run: "Callable[[World], Awaitable[None]]") -> "Callable[[World], Awaitable[None]]":
        name: str = run.__name__
        setattr(run, ATTRIBUTE, Probe(name, title, means, limit_s, run))
        return run

    return marked


def probes_of(module: ModuleType) -> tuple[Probe, ...]:
    """The probes of an exercise's `probes.py`, in order."""
    return tuple(
        getattr(value, ATTRIBUTE)
        for value in vars(module).values()
        if hasattr(value, ATTRIBUTE) and value.__module__ == module.__name__
    )
