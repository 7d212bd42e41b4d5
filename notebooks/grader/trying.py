"""One probe tried on a learner's file: what came of it, as it is told to the parent. Read `watch.py` next.

Whatever the learner's code does ends as a state with words and a line of the file. An error that is neither of the
learner's code nor of a value that it made is ours, and is called so.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import aiohttp

from .clock import Clock, Endless
from .learner import Learner, Unusable, said
from .probe import Broken, Probe
from .simulator import Places, Simulator
from .timeline import Timeline
from .watch import Watch
from .world import World

EXIT_ENDLESS = 3
TIDIES_S = 1.0
"""Tasks that a probe left behind are cancelled, and waited for so long."""
ODD = (TypeError, ValueError, AttributeError, LookupError)
"""What a probe raises over a value of another type than it was promised, in no line of the learner's."""
Told = dict[str, Any]


async def tried(
    probe: Probe, learner: Learner, seed: int, places: Places, store_url: str | None, tells: Connection
) -> Told:
    """The probe's name, `state`, and what goes with it: given, expected, seen, where, kind, timeline."""
    begun = {"probe": probe.name, "state": "begun"}
    tells.send(begun)
    timeline, before = Timeline(), asyncio.all_tasks()

    def endless(line: str) -> None:
        tells.send({**begun, "state": "endless", "where": line, "timeline": timeline.document()})
        os._exit(EXIT_ENDLESS)

    async with aiohttp.ClientSession() as http:
        await Simulator(http, places, Clock()).reset()

        def made() -> World:
            return World(learner, seed, http, places, store_url, timeline)

        with _waits_noted(learner) as slept, Watch(learner, endless) as watch:
            told = await _outcome(probe, learner, made, before)
        if slept and told["state"] not in ("unusable", "grader"):
            told = {"state": "real sleep", "where": slept[0]}
        elif watch.blocked and told["state"] in ("passed", "broken", "late"):
            told = {"state": "blocked", "where": watch.blocked}
        await _tidy(before)
    return {**begun, **told, "timeline": timeline.document()}


async def _outcome(probe: Probe, learner: Learner, made: Callable[[], World], before: set[asyncio.Task[Any]]) -> Told:
    world: World | None = None
    try:
        async with asyncio.timeout(probe.limit_s):
            world = made()
            await world.begin()
            await probe.run(world)
    except Broken as broken:
        return {"state": "broken", "given": broken.given, "expected": broken.expected, "seen": broken.seen}
    except Endless:
        return {"state": "sleeps on"}
    except TimeoutError as error:
        where = learner.line_of(error.__cause__ or error) or _waiting(learner, before)
        return {"state": "late", "where": where, "seen": f"no end within {probe.limit_s:g} s"}
    except Unusable as error:
        return {"state": "unusable", "kind": error.kind, "seen": error.words, "where": error.where}
    except MemoryError:
        return {"state": "memory"}
    except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 - told, whosever it is
        return {"state": _whose(error, learner), "seen": said(error), "where": learner.line_of(error)}
    finally:
        if world is not None:
            await world.close()
    return {"state": "passed"}


def _whose(error: BaseException, learner: Learner) -> str:
    if learner.line_of(error) or isinstance(error, SystemExit | asyncio.CancelledError):
        return "raised"
    return "odd" if isinstance(error, ODD) else "grader"


def _waiting(learner: Learner, before: set[asyncio.Task[Any]]) -> str:
    """Where the learner's tasks stand that have not ended."""
    for task in asyncio.all_tasks() - before:
        if line := learner.line_in(task.get_stack()):
            return line
    return ""


async def _tidy(before: set[asyncio.Task[Any]]) -> None:
    left = asyncio.all_tasks() - before
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=TIDIES_S)  # one may catch even this, and go on


@contextmanager
def _waits_noted(learner: Learner) -> Iterator[list[str]]:
    """The learner's lines that wait by the wall clock, instead of the exercise's, while the block runs."""
    real, slept = asyncio.sleep, list[str]()

    async def sleep(delay: float, result: Any = None) -> Any:
        caller = sys._getframe(1)  # noqa: SLF001 - who awaits it
        if delay > 0 and learner.is_own(caller):
            slept.append(learner.line(caller.f_lineno))
            delay = 0
        return await real(delay, result)

    asyncio.sleep = sleep
    try:
        yield slept
    finally:
        asyncio.sleep = real
