"""The process in which the learner's code runs: probe after probe, each with a world of its own, told to the parent.

It may hang, crash or eat memory; the parent (`check.py`) bounds it and says what happened. It is forked from a server
that has imported this module, so it costs milliseconds. Read `trying.py` next.
"""

import asyncio
import faulthandler
import os
import resource
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import anthropic  # noqa: F401 - imported once, before the learners' processes are forked
import openai  # noqa: F401

from door.part import end_with_parent
from door.workbench import private

from .catalogue import load
from .learner import Learner
from .simulator import Places
from .trying import tried

MOST_MEMORY = 4 * 2**30
MOST_OUTPUT = 4 * 2**20
CRASH = ".crash"
"""Ending of the file beside a job's output in which Python says where it crashed."""
NOWHERE = "http://127.0.0.1:9"
"""Where an SDK calls that was told no other place: the discard port, and not the real API with a person's key."""


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


def main(job: Job, tells: Connection) -> None:
    """Run the job and tell a dict per probe, None at the end; the process's output goes to `job.output`."""
    _confine(job.output)
    asyncio.run(_run(job, tells))


def _confine(output: Path) -> None:
    os.setsid()  # what the learner's code starts is ended with it
    if sys.platform == "linux":
        end_with_parent()
    settings = private(os.environ)
    os.environ.clear()
    os.environ.update(settings, ANTHROPIC_BASE_URL=NOWHERE, OPENAI_BASE_URL=f"{NOWHERE}/v1")
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
    store_url = job.store_url if exercise.store else None
    for probe in exercise.probes:
        if job.only and probe.name not in job.only:
            continue
        told = await tried(probe, learner, job.seed, job.places, store_url, tells)
        tells.send(told)
        if told["state"] != "passed":
            break
    tells.send(None)
    sys.stdout.flush()
    os._exit(0)  # a task that cannot be cancelled would keep the loop for ever
