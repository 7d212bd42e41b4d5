"""A learner's probe tried on a desk: with a clock, a provider and a timeline of its own, bounded, judged like a test.

Whatever it raises counts as a failure, as with any test runner. Read `subjects/` next: the desks; `probes.py` has them
tried.
"""

import asyncio
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from notebooks.grader import World
from notebooks.grader.clock import Endless
from notebooks.grader.learner import said
from notebooks.grader.timeline import Timeline

from .subjects import bucket, window

PREFIX = "probe_"
LOOK_S, IDLE_LOOKS = 0.01, 30
"""A probe has come to a standstill when so many looks in a row find no call under way and nobody asleep."""
LIMIT_S = 20.0
"""By the wall clock, for a probe that takes milliseconds."""

RIGHT: tuple[type, ...] = (bucket.Desk, window.Desk)


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a probe on a desk: `failed` says how, and is empty where it passed."""

    probe: str
    failed: str
    where: str
    hangs: bool
    timeline: Timeline


class Lab:
    """What a learner's probe is given beside the desk."""

    def __init__(self, world: World, request_id: str) -> None:
        self.clock = world.clock
        self._world, self._request_id = world, request_id
        self.broke = False

    async def calls(self) -> list[dict[str, Any]]:
        """The ledger's rows of this desk."""
        with self.clock.busy():
            return [row for row in await self._world.simulator.calls() if row["request_id"] == self._request_id]

    async def breaks(self, times: int = 1, status: int = 503) -> None:
        """Spoil the next calls."""
        self.broke = True
        with self.clock.busy():
            await self._world.simulator.fault("anthropic", "status", status=status, times=times)


class Behind:
    """A desk of which a probe sees what it does and nothing else, its class least of all."""

    def __init__(self, desk: Any) -> None:
        async def ask(tenant: str, question: str) -> str:
            answer: str = await desk.ask(tenant, question)
            return answer

        self.ask = ask


def probes_of(world: World) -> list[str]:
    """The names of the learner's probes, in their order."""
    return [name for name, value in vars(world.yours).items() if name.startswith(PREFIX) and callable(value)]


async def tried(world: World, probe: str, desk: Callable[..., Any]) -> Trial:
    """Try one probe on a new desk."""
    inner = world.again()
    number = world.request_id()
    provider = inner.provider("anthropic", inner.yours.ProviderError, request_id=number)
    provider.timeout_s = LIMIT_S
    lab = Lab(inner, number)

    async def call(question: str) -> str:
        return await provider([{"role": "user", "content": question}])

    async def run() -> None:
        await getattr(inner.yours, probe)(Behind(desk(call, lab.clock, inner.yours.TooMany)), lab)

    task = asyncio.ensure_future(run())
    stopped = await _stopped(task, lab)
    task.cancel()
    failed, where, slept_on = await _ended(world, task)
    if lab.broke:
        await inner.simulator.heal()
    return Trial(probe, stopped or failed, where, bool(stopped) or slept_on, inner.timeline)


async def _stopped(task: "asyncio.Future[Any]", lab: Lab) -> str:
    """Why it had to be stopped; empty where it ended by itself."""
    until_s, idle = time.monotonic() + LIMIT_S, 0
    while not task.done():
        if idle == IDLE_LOOKS:
            return "it waits for what never comes"
        if time.monotonic() > until_s:
            return f"it did not end within {LIMIT_S:g} s"
        await asyncio.wait({task}, timeout=LOOK_S)
        idle = idle + 1 if lab.clock.idle else 0
    return ""


async def _ended(world: World, task: "asyncio.Future[Any]") -> tuple[str, str, bool]:
    """How it failed, in which line, and whether by sleeping on and on; nothing where it passed."""
    try:
        await task
    except Endless as error:
        return "it sleeps on and on", world.line_of(error), True
    except (Exception, asyncio.CancelledError) as error:
        return said(error), world.line_of(error), False
    return "", "", False


def is_async(world: World, probe: str) -> bool:
    """Whether it is an `async def`."""
    return inspect.iscoroutinefunction(getattr(world.yours, probe))
