"""The grader graded: starters fail at a probe, solutions pass, and each mutant is killed by the probe that is to.

A probe that kills no mutant is no probe: it would pass whatever a learner writes. Read `catalogue.py` next.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .catalogue import Exercise
from .check import Checked, check
from .learner import imports_of
from .mutants import MutantError, mutated
from .rig import Rig

SEEDS_SHORT, SEEDS_FULL = 3, 20
FIRST_SEED = 7
KILLS = ("broken", "blocked")
"""What counts as a kill: a promise that was not kept, and not a check that the machine held up."""
HOUSES = {"service", "loadtests", "dashboard", "door", "gauntlet", "notebooks"}
"""An exercise's files import nothing of these: what a learner writes stands alone."""


@dataclass(slots=True)
class Verdict:
    """What was found of one exercise; `faults` is empty when all is as it should be."""

    exercise: Exercise
    starter_fails_at: str = ""
    seeds: int = 0
    killed: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def selftest(exercise: Exercise, rig: Rig, *, seeds: int, told: Callable[[str], None] = lambda words: None) -> Verdict:
    """Try an exercise's own files; `told` hears of each."""
    verdict = Verdict(exercise, seeds=seeds)
    starter, solution, folder = (exercise.folder / name for name in ("starter.py", "solution.py", "mutants"))
    mutants = sorted(folder.glob("*.py"))
    verdict.faults += _standing_alone([starter, solution])
    verdict.faults += _listed(exercise, {file.stem for file in mutants})
    told("starter")
    _starter(verdict, check(exercise, starter, rig, seed=FIRST_SEED))
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        told(f"solution, seed {seed}")
        checked = check(exercise, solution, rig, seed=seed)
        if not checked.passed:
            verdict.faults.append(f"the solution fails with seed {seed}: {_said(checked)}")
    for mutant in mutants:
        told(f"mutant {mutant.stem}")
        try:
            file = rig.folder / mutant.name
            file.write_text(mutated(mutant, solution.read_text(encoding="utf-8")), encoding="utf-8")
        except MutantError as error:
            verdict.faults.append(str(error))
        else:
            _mutant(verdict, mutant.stem, check(exercise, file, rig, seed=FIRST_SEED))
    idle = [probe.name for probe in exercise.probes if probe.name not in verdict.killed.values()]
    verdict.faults += [f"the probe {name} kills no mutant" for name in idle]
    return verdict


def _standing_alone(files: Iterable[Path]) -> list[str]:
    return [f"{file.name} imports {', '.join(sorted(found))}" for file in files if (found := imports_of(file) & HOUSES)]


def _listed(exercise: Exercise, there: set[str]) -> list[str]:
    listed = set(exercise.mutants)
    unlisted = [f"the mutant {name} is in no line of exercise.toml" for name in sorted(there - listed)]
    names = {probe.name for probe in exercise.probes}
    nobody = [
        f"{name} is to be killed by {probe}, which is no probe"
        for name, probe in exercise.mutants.items()
        if probe not in names
    ]
    return (
        unlisted
        + nobody
        + [f"exercise.toml names the mutant {name}, which is not there" for name in sorted(listed - there)]
    )


def _starter(verdict: Verdict, checked: Checked) -> None:
    failure = checked.failure
    if failure is None:
        verdict.faults.append("the starter passes")
    elif failure.state != "broken":
        verdict.faults.append(f"the starter does not fail at a promise: {_said(checked)}")
    else:
        verdict.starter_fails_at = failure.probe.name


def _mutant(verdict: Verdict, name: str, checked: Checked) -> None:
    wanted, failure = verdict.exercise.mutants.get(name), checked.failure
    if failure is None:
        verdict.faults.append(f"the mutant {name} lives")
    elif failure.state not in KILLS or failure.probe.name != wanted:
        verdict.faults.append(f"the mutant {name} is not killed by {wanted}: {_said(checked)}")
    else:
        verdict.killed[name] = failure.probe.name


def _said(checked: Checked) -> str:
    failure = checked.failure
    if failure is None:
        return "all passed" if checked.results else "nothing was tried"
    return f"{failure.probe.name} {failure.state}: {failure.seen} {failure.where}".strip()
