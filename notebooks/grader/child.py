"""The process in which the learner's code runs: probe after probe, each with a world of its own, told to the parent.

It may hang, crash or eat memory; the parent (`check.py`, read it next) bounds it and says what happened. It is forked
from a server that has imported this module, so it costs milliseconds.
"""

import asyncio
import faulthandler
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import anthropic  # noqa: F401 - imported once, before the learners' processes are forked
import openai  # noqa: F401

from .catalogue import Exercise, load
from .clock import Endless
from .learner import Learner, Unusable, said
from .probe import Broken, Probe
from .simulator import Places
from .watch import Watch
from .world import World

MOST_MEMORY = 4 * 2**30
MOST_OUTPUT = 4 * 2**20
EXIT_ENDLESS = 3
CRASH = ".crash"
"""Ending of the file beside a job's output in which Python says where it crashed."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a child is to do: the probes named in `only` (all where there are none), in order, against a file."""

    folder: Path
    file: Path
    seed: int
    only: tuple[str, ...]
    places: Places
    store_url: str | None
    output: Path
    keeps_going: bool = False


def main(job: Job, tells: Connection) -> None:
    """Run the job and tell a dict per probe, None at the end; the process's output goes to `job.output`."""
    _confine(job.output)
    asyncio.run(_run(job, tells))
    sys.stdout.flush()
    tells.send(None)


def _confine(output: Path) -> None:
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    sys.stdout.flush()
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    faulthandler.enable(output.with_suffix(CRASH).open("w"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_OUTPUT, MOST_OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))


async def _run(job: Job, tells: Connection) -> None:
    exercise = load(job.folder)
    learner = Learner(job.file, exercise.defines)
    _guard_sleep(learner)
    failed: set[str] = set()
    for probe in exercise.probes:
        if job.only and probe.name not in job.only:
            continue
        if failed.intersection(probe.after):
            failed.add(probe.name)
            continue
        told = await _tried(probe, exercise, learner, job, tells)
        tells.send(told)
        if told["state"] != "passed":
            failed.add(probe.name)
            if told["state"] == "unusable" or not job.keeps_going:
                return


ODD = (TypeError, ValueError, AttributeError, LookupError)
"""What a probe raises over a value of another type than it was promised, in no line of the learner's."""


async def _tried(probe: Probe, exercise: Exercise, learner: Learner, job: Job, tells: Connection) -> dict[str, Any]:
    tells.send({"probe": probe.name, "state": "begun"})
    SLEPT.clear()
    async with aiohttp.ClientSession() as http:
        try:
            world = World(learner, job.seed, http, job.places, job.store_url if exercise.store else None)
        except Unusable as error:
            return {
                "probe": probe.name,
                "state": "unusable",
                "kind": error.kind,
                "seen": error.words,
                "where": error.where,
            }
        await world.simulator.reset()
        if exercise.store:
            await world.store("probe").flushall()
            world.timeline.events.clear()
        told: dict[str, Any] = {"probe": probe.name, "state": "passed"}

        def endless(line: str) -> None:
            tells.send({**told, "state": "endless", "where": line, "timeline": world.timeline.document()})
            os._exit(EXIT_ENDLESS)

        before = asyncio.all_tasks()
        try:
            with Watch(learner, endless) as watch:
                async with asyncio.timeout(probe.limit_s):
                    await probe.run(world)
            if watch.blocked:
                told |= {"state": "blocked", "where": watch.blocked}
        except Broken as broken:
            told |= {"state": "broken", "given": broken.given, "expected": broken.expected, "seen": broken.seen}
        except Endless:
            told |= {"state": "sleeps on"}
        except TimeoutError as error:
            where = learner.line_of(error.__cause__ or error) or _waiting(learner, before)
            told |= {"state": "late", "where": where, "limit_s": probe.limit_s}
        except Unusable as error:
            told |= {"state": "unusable", "kind": error.kind, "seen": error.words, "where": error.where}
        except MemoryError:
            told |= {"state": "memory"}
        except (Exception, SystemExit) as error:
            where = learner.line_of(error)
            if not where and not isinstance(error, (*ODD, SystemExit)):
                raise  # the probe's own fault
            state = "odd" if not where and isinstance(error, ODD) else "raised"
            told |= {"state": state, "seen": said(error), "where": where}
        if SLEPT and told["state"] != "unusable":
            told |= {"state": "real sleep", "where": SLEPT[0]}
        elif watch.blocked and told["state"] in ("broken", "late"):
            told |= {"state": "blocked", "where": watch.blocked}
        await _tidy(before)
        await world.close()
        return {**told, "timeline": world.timeline.document()}


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
    await asyncio.gather(*left, return_exceptions=True)


SLEPT: list[str] = []
"""Lines of the learner's file that waited by the wall clock instead of the exercise's."""


def _guard_sleep(learner: Learner) -> None:
    real: Callable[..., Any] = asyncio.sleep

    async def sleep(delay: float, result: Any = None) -> Any:
        caller = sys._getframe(1)  # noqa: SLF001 - who awaits it
        if delay > 0 and learner.is_own(caller):
            SLEPT.append(learner.line(caller.f_lineno))
            delay = 0
        return await real(delay, result)

    asyncio.sleep = sleep
