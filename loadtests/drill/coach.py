"""Practice: what to look at now and why, said as it goes; the longer nothing is found, the plainer.

It knows the truth, so it says nothing in a drill that counts. Read `debrief.py` next: what is said in the end.
"""

from collections.abc import Iterator
from enum import IntEnum

from loadtests.drill.incidents import Planned
from loadtests.drill.kinds import HALF, NEAR, RIGHT, rightness
from loadtests.drill.moves import Diagnosis

AGAIN_S = 20.0
"""After so long without a step forward the next hint comes by itself."""

FIRST_S = 8.0
"""The first comes sooner."""


class Step(IntEnum):
    """How far the player is."""

    WATCH, NOTICE, FIND, MEND, DONE = range(5)


class Coach:
    """Of one drill. Times are seconds after the drill's beginning; what it says are whole sentences."""

    def __init__(self, planned: Planned) -> None:
        self._planned = planned
        self.step = Step.WATCH
        self._hints: Iterator[str] = iter(())
        self._next_s = 0.0

    def begin(self) -> str:
        """Before anything happens."""
        return (
            "Practice. First learn what well looks like: on the Live page the success, the p95, the colour of most "
            "answers (that is the provider who is asked first) and both circuits. Whoever does not know the ordinary "
            "state sees no change. Say `alarm` when you see one, `hint` when you do not know where to look."
        )

    def broke(self, at_s: float) -> None:
        """The fault has begun."""
        if self.step is Step.WATCH:
            self._go(Step.NOTICE, at_s)

    def tick(self, at_s: float) -> str | None:
        """The next hint, when it is time for it."""
        return self.hint(at_s) if self.step in (Step.NOTICE, Step.FIND, Step.MEND) and at_s >= self._next_s else None

    def hint(self, at_s: float) -> str:
        """The next hint, now."""
        self._next_s = at_s + AGAIN_S
        if self.step is Step.WATCH:
            return "Nothing is to be seen yet. Keep an eye on success, p95, colours and circuits."
        if self.step is Step.DONE:
            return "All is found and mended; `done` ends the drill."
        return next(self._hints, "There is no further hint; `done` ends the drill and tells everything.")

    def alarmed(self, at_s: float) -> str:
        """After `alarm`."""
        if self.step is Step.WATCH:
            return (
                "Nothing is broken yet, so this is a false alarm. What moves a little is noise: compare with the "
                "minute before, and look at two signals before you wake somebody."
            )
        if self.step is Step.NOTICE:
            late_s = at_s - self._planned.at_s
            self._go(Step.FIND, at_s)
            return (
                f"Right, {late_s:.0f} s after it began. Now: which provider, and what does it do? `faults` lists the "
                "names, and `diagnose PROVIDER FAULT SECONDS` says it, with how many seconds ago it began."
            )
        return "You have said so already. Which provider is it, and what does it do?"

    def diagnosed(self, said: Diagnosis, at_s: float) -> str:
        """After `diagnose`."""
        if self.step is Step.WATCH:
            return "Nothing is broken yet, so this counts as a false alarm."
        target, kind = self._planned.incident.target, self._planned.kind
        if said.provider != target:
            self._go(Step.FIND, at_s)
            return f"It is not {said.provider}. Look at which provider's calls changed, not at which one answers now."
        right = rightness(said.kind, kind)
        if right == RIGHT:
            self._go(Step.MEND, at_s)
            return (
                "Right: provider and fault. Does it hurt anybody now? Look at success and p95; when they are not as "
                "before, something has to be done: a stage, or another route. `stages` and `routes` list them."
            )
        self._go(Step.FIND, at_s)
        if right == HALF:
            return f"The provider is right, and {said.kind} is near: {NEAR[frozenset((said.kind, kind))]}."
        return f"The provider is right, but it is not {said.kind}. How does an attempt there end, and after what time?"

    def well(self) -> str | None:
        """It has been well for a while, after it broke; said once, to who has found out why."""
        if self.step is not Step.MEND:
            return None
        self.step = Step.DONE
        return "It has been well for a while now. `done` ends the drill; or watch on whether it stays so."

    def _go(self, step: Step, at_s: float) -> None:
        if step <= self.step:
            return
        self.step = step
        incident, kind = self._planned.incident, self._planned.kind
        told = f"It is {incident.target}, and it is {kind}. Say so: diagnose {incident.target} {kind}"
        cure = f"Type: {' or: '.join(incident.cures)}" if incident.cures else "Nothing needs doing here but to watch."
        hints = {
            Step.NOTICE: (incident.notice, "Something is wrong by now. Say `alarm`, then look for what it is."),
            Step.FIND: (incident.find, told),
            Step.MEND: (incident.helps, cure),
        }
        self._hints, self._next_s = iter(hints.get(step, ())), at_s + FIRST_S + AGAIN_S * (step is not Step.NOTICE)
