"""One check: a learner's file against an exercise's probes, in a process of its own that is bounded from here.

Whatever that process does (hang, crash, eat memory, end by itself), the check ends and says what happened. Read
`feedback.py` next: how a person is told.
"""

import multiprocessing
import os
import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from .catalogue import Exercise
from .child import CRASH, Job, main
from .learner import Learner
from .probe import Probe
from .rig import Rig
from .timeline import Event, events_of

GRACE_S = 10.0
"""Beyond a probe's own limit; then the process is killed."""
STARTS_S = 120.0
"""For a process to begin; the first one waits until both SDKs are imported."""
PASSED = "passed"
MOST_OUTPUT = 4_000


@dataclass(frozen=True, slots=True)
class Result:
    """What a probe found.

    `state` is passed, broken (the promise), raised, blocked, endless, late, crashed, memory, sleeps on, real sleep, odd
    (a value that could not be judged), unusable (with a `kind`: syntax, import, missing), or grader (our own failure);
    `where` is a line of the learner's file.
    """

    probe: Probe
    state: str
    given: str = ""
    expected: str = ""
    seen: str = ""
    where: str = ""
    kind: str = ""
    timeline: tuple[Event, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the promise was kept."""
        return self.state == PASSED


@dataclass(slots=True)
class Checked:
    """The results in order; the last one failed unless all passed. `output` is what the learner's code printed, `only`
    the names of the probes that were asked for, empty for all.
    """

    exercise: Exercise
    seed: int
    results: list[Result] = field(default_factory=list)
    output: str = ""
    only: tuple[str, ...] = ()

    @property
    def failure(self) -> Result | None:
        """The first that failed."""
        return next((one for one in self.results if not one.passed), None)

    @property
    def passed(self) -> bool:
        """Whether something was tried, and all of it passed."""
        return bool(self.results) and self.failure is None


def check(exercise: Exercise, file: Path, rig: Rig, *, seed: int, only: Sequence[str] = ()) -> Checked:
    """Run the probes (those named in `only`, else all) against a file, in their order, until one fails."""
    output = rig.folder / "output.txt"
    job = Job(exercise.folder, file, seed, tuple(only), rig.places, rig.store_url, output)
    ours, theirs = _context().Pipe(duplex=False)
    child = _context().Process(target=main, args=(job, theirs), name="learner")
    child.start()
    theirs.close()
    checked = Checked(exercise, seed, only=tuple(only))
    try:
        current, whole = _follow(checked, ours)
        child.join(GRACE_S if whole or checked.failure is None else 0)
    finally:
        _end(child)
        ours.close()
    checked.output = _tail(output)
    if not whole and checked.failure is None:
        checked.results.append(_crashed(current, child.exitcode, Learner(file, ()), _tail(output.with_suffix(CRASH))))
    return checked


def _follow(checked: Checked, ours: Connection) -> tuple[Probe, bool]:
    """Take what the process tells, until it ends or is too late. Which probe was the last, and whether all was told."""
    current, patience_s = checked.exercise.probes[0], STARTS_S
    while ours.poll(patience_s):
        try:
            told = ours.recv()
        except EOFError:
            return current, False
        if told is None:
            return current, True
        current = checked.exercise.probe(told["probe"])
        patience_s = current.limit_s + GRACE_S
        if told["state"] != "begun":
            checked.results.append(_result(current, told))
    checked.results.append(Result(current, "endless"))
    return current, False


def _end(child: ForkServerProcess) -> None:
    """Kill the process, if it lives, and whatever it started."""
    if child.pid is not None:
        with suppress(ProcessLookupError, PermissionError):  # it leads a group, unless it ended before it could
            os.killpg(child.pid, signal.SIGKILL)
    if child.is_alive():
        child.kill()
    child.join()


def _result(probe: Probe, told: dict[str, Any]) -> Result:
    words = {name: str(told.get(name, "")) for name in ("given", "expected", "seen", "where", "kind")}
    return Result(probe, told["state"], timeline=tuple(events_of(told.get("timeline", ()))), **words)


def _crashed(probe: Probe, code: int | None, learner: Learner, told: str) -> Result:
    how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
    found = re.search(rf'File "{re.escape(str(learner.file))}", line (\d+)', told)  # faulthandler: innermost first
    where = learner.line(int(found[1])) if found else ""
    return Result(probe, "crashed", seen=f"the process ended with {how}", where=where)


def _tail(output: Path) -> str:
    if not output.exists():
        return ""
    return output.read_text(errors="replace")[-MOST_OUTPUT:]


_CONTEXT: list[ForkServerContext] = []


def _context() -> ForkServerContext:
    if not _CONTEXT:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["notebooks.grader.child"])
        _CONTEXT.append(context)
    return _CONTEXT[0]
