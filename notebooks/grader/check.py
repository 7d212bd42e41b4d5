"""One check: a learner's file against an exercise's probes, in a process of its own that is bounded from here.

Whatever that process does (hang, crash, eat memory, end by itself), the check ends and says what happened. Read
`feedback.py` next: how a person is told.
"""

import multiprocessing
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
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
PASSED = "passed"
MOST_OUTPUT = 4_000


@dataclass(frozen=True, slots=True)
class Result:
    """What a probe found.

    `state` is passed, broken (the promise), raised, blocked, endless, late, crashed, memory, sleeps on, real sleep, odd
    (a value that could not be judged), or unusable (with a `kind`: syntax, import, missing); `where` is a line of the
    learner's file.
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
    """The results in order; the last one failed unless all passed. `output` is what the learner's code printed."""

    exercise: Exercise
    seed: int
    results: list[Result] = field(default_factory=list)
    output: str = ""

    @property
    def failure(self) -> Result | None:
        """The first that failed."""
        return next((one for one in self.results if not one.passed), None)

    @property
    def passed(self) -> bool:
        """Whether something was tried, and all of it passed."""
        return bool(self.results) and self.failure is None


def check(
    exercise: Exercise, file: Path, rig: Rig, *, seed: int, only: Sequence[str] = (), keeps_going: bool = False
) -> Checked:
    """Run the probes (those named in `only`, else all) against a file until one fails, or all with `keeps_going`."""
    output = rig.folder / "output.txt"
    job = Job(exercise.folder, file, seed, tuple(only), rig.places, rig.store_url, output, keeps_going)
    ours, theirs = _context().Pipe(duplex=False)
    child = _context().Process(target=main, args=(job, theirs), name="learner")
    child.start()
    theirs.close()
    checked = Checked(exercise, seed)
    current, whole = exercise.probes[0], False
    try:
        while True:
            if not ours.poll(current.limit_s + GRACE_S):
                checked.results.append(Result(current, "endless"))
                break
            try:
                told = ours.recv()
            except EOFError:
                break
            if told is None:
                whole = True
                break
            current = exercise.probe(told["probe"])
            if told["state"] != "begun":
                checked.results.append(_result(current, told))
    finally:
        child.join(0 if checked.results and checked.results[-1].state == "endless" else GRACE_S)
        if child.is_alive():
            child.kill()
            child.join()
        ours.close()
    checked.output = _tail(output)
    if not whole and checked.failure is None:
        checked.results.append(_crashed(current, child.exitcode, Learner(file, ()), _tail(output.with_suffix(CRASH))))
    return checked


def _result(probe: Probe, told: dict[str, Any]) -> Result:
    words = {name: str(told.get(name, "")) for name in ("given", "expected", "seen", "where", "kind")}
    if told["state"] == "late":
        words["seen"] = f"no end within {told['limit_s']:g} s"
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
