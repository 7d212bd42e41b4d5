"""`gauntlet learn`: the exercises. Start one, check it, get a hint, see a solution, begin anew.

A check runs the learner's file in a process of its own against a simulator of its own, so nothing need be up. Read
`notebooks/grader/__init__.py` next.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.status import Status
from rich.text import Text

from door.console import command_name, console
from door.errors import DoorError, UsageError
from door.flags import whole
from door.signals import stop_like_ctrl_c
from notebooks.grader import feedback, selftest
from notebooks.grader.catalogue import Exercise, exercises
from notebooks.grader.check import Checked, check
from notebooks.grader.rig import Rig, rig
from notebooks.grader.work import Work

FIRST_SEED = selftest.FIRST_SEED
LOOK_S = 0.2
SELFTEST = "the exercises themselves: starters fail, solutions pass, every mutant is killed"


def run(argv: Sequence[str]) -> int:
    """Exit code 0: done, or all promises kept; 1: one is broken; 2: wrong usage."""
    args = _parser().parse_args(argv)
    stop_like_ctrl_c()
    known, work = exercises(), Work(os.environ)
    does: dict[str | None, Callable[[], int]] = {
        None: lambda: _list(known, work),
        "start": lambda: _start(_chosen(known, args.exercise), work),
        "check": lambda: _check(_chosen(known, args.exercise, work), work, args),
        "hint": lambda: _hint(_chosen(known, args.exercise, work), work, args.probe),
        "solution": lambda: _solution(_chosen(known, args.exercise, work), work, args.spoil),
        "reset": lambda: _reset(_chosen(known, args.exercise), work),
        "selftest": lambda: _selftest([_chosen(known, args.exercise)] if args.exercise else known, args.seeds),
    }
    return does[args.verb]()


def _parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog="gauntlet learn",
        description="Exercises that judge what your code does under faults, not how it looks.",
        epilog="exit code: 0 all promises kept, 1 one is broken, 2 wrong usage. Without a verb: the list.",
    )
    verbs = flags.add_subparsers(dest="verb", metavar="VERB")

    def verb(name: str, what: str, *, optional: bool = False) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=what, description=what)
        usual = "its number or name" + (" (default: the one you changed last)" if optional else "")
        made.add_argument("exercise", nargs="?" if optional else None, help=usual)
        return made

    verb("start", "put an exercise's starter into work/; a file that is there stays")
    checks = verb("check", "try your file: the first promise that it breaks, and why", optional=True)
    checks.add_argument("--only", metavar="PROBE", help="try this promise alone")
    checks.add_argument("--seed", type=whole(0, 2**31), help="of jitter and of identities (default: three seeds)")
    checks.add_argument("--watch", action="store_true", help="check again whenever the file is saved; Ctrl-C ends it")
    hints = verb("hint", "the next hint for what the last check found broken", optional=True)
    hints.add_argument("--probe", metavar="PROBE", help="for another promise")
    verb("solution", "one way to do it; once yours passes", optional=True).add_argument(
        "--spoil", action="store_true", help="now"
    )
    verb("reset", "begin anew; what you had is kept under another name")
    tested = verbs.add_parser("selftest", help=SELFTEST, description=SELFTEST)
    tested.add_argument("exercise", nargs="?", help="one alone (default: all)")
    tested.add_argument("--seeds", type=whole(1, 1000), default=selftest.SEEDS_FULL, help="per solution (default: 20)")
    return flags


def _chosen(known: Sequence[Exercise], given: str | None, work: Work | None = None) -> Exercise:
    if given is None:
        found = work.newest(list(known)) if work is not None else None
        if found is None:
            raise UsageError(f"no exercise is begun; `{command_name()} learn start 1` begins the first")
        return found
    for one in known:
        if given in (str(one.number), f"{one.number:02}", one.name, one.label):
            return one
    names = ", ".join(f"{one.number} ({one.name})" for one in known)
    raise UsageError(f"there is no exercise {given!r}; there are {names}")


def _list(known: Sequence[Exercise], work: Work) -> int:
    out, command = console(), command_name()
    out.print(feedback.listing(known, work))
    open_ones = [one for one in known if not work.progress(one).done]
    out.print()
    if not open_ones:
        out.print("All passed.")
    elif work.file(open_ones[0]).exists():
        out.print(Text.assemble("Go on with  ", (f"{command} learn check {open_ones[0].number} --watch", "bold")))
    else:
        out.print(Text.assemble("Begin with  ", (f"{command} learn start {open_ones[0].number}", "bold")))
    return 0


def _start(exercise: Exercise, work: Work) -> int:
    out, command = console(), command_name()
    fresh = work.start(exercise)
    task = os.path.relpath(exercise.folder / "README.md")
    out.print(Text(f"{exercise.number} · {exercise.title}", style="bold"), Text(exercise.about), sep="\n")
    out.print(Text(f"about {exercise.minutes} minutes; {', '.join(exercise.concepts)}", style="dim"))
    out.print()
    state = "is yours now" if fresh else "was there already, and stays as it is"
    out.print(Text.assemble("   ", (work.shown(exercise), "bold"), f"   {state}"), soft_wrap=True)
    out.print(Text.assemble("   ", (task, "bold"), "   says what to do"), soft_wrap=True)
    out.print(
        Text.assemble("   ", (f"{command} learn check {exercise.number} --watch", "bold"), "   tries it at every save"),
        soft_wrap=True,
    )
    return 0


def _check(exercise: Exercise, work: Work, args: argparse.Namespace) -> int:
    only = [args.only] if args.only else []
    if args.only and args.only not in [one.name for one in exercise.probes]:
        raise UsageError(f"there is no probe {args.only!r}; there are {', '.join(one.name for one in exercise.probes)}")
    seeds = [args.seed] if args.seed is not None else list(range(FIRST_SEED, FIRST_SEED + selftest.SEEDS_SHORT))
    file = work.file(exercise)
    if not file.exists():
        raise DoorError(
            f"no {work.shown(exercise)} yet; `{command_name()} learn start {exercise.number}` puts it there"
        )
    with rig(store=exercise.store) as made:
        if args.watch:
            return _watch(exercise, work, made, seeds, only)
        return _once(exercise, work, made, seeds, only)


def _once(exercise: Exercise, work: Work, made: Rig, seeds: Sequence[int], only: Sequence[str]) -> int:
    checked = _over(exercise, work.file(exercise), made, seeds, only)
    out, command = console(), command_name()
    feedback.show(out, checked, work, command)
    if not only and not (checked.failure and checked.failure.state in ("unusable", "grader")):
        work.note(checked)  # after it was shown: where the folder cannot be written one sees at least that
    if checked.passed and not only:
        words = f"{command} learn solution {exercise.number}"
        out.print(Text.assemble("Compare with one way to do it:  ", (words, "bold")), soft_wrap=True)
    return 0 if checked.passed else 1


def _over(exercise: Exercise, file: Path, made: Rig, seeds: Sequence[int], only: Sequence[str]) -> Checked:
    checked = check(exercise, file, made, seed=seeds[0], only=only)
    for seed in seeds[1:]:
        if not checked.passed:
            break
        checked = check(exercise, file, made, seed=seed, only=only)
    return checked


def _watch(exercise: Exercise, work: Work, made: Rig, seeds: Sequence[int], only: Sequence[str]) -> int:
    out, file, seen, code = console(), work.file(exercise), -1, 1
    try:
        while True:
            now = file.stat().st_mtime_ns if file.exists() else seen  # an editor may put a new file in its place
            if now != seen:
                seen = now
                out.clear()
                code = _once(exercise, work, made, seeds, only)
                out.print(Text("\nwatching; Ctrl-C ends", style="dim"))
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        return code


def _hint(exercise: Exercise, work: Work, probe: str | None) -> int:
    progress = work.progress(exercise)
    wanted = probe or progress.failing
    if not wanted:
        done = "all promises were kept at your last check" if progress.done else "it was not checked yet"
        raise DoorError(f"{exercise.title}: {done}; `{command_name()} learn check {exercise.number}` tries it")
    if wanted not in exercise.hints:
        raise UsageError(f"there is no probe {wanted!r}; there are {', '.join(exercise.hints)}")
    level, text = work.next_hint(exercise, wanted)
    console().print(feedback.hint(exercise, wanted, level, text, command_name()))
    return 0


def _solution(exercise: Exercise, work: Work, spoil: bool) -> int:
    if not (spoil or work.progress(exercise).done):
        raise DoorError(
            f"yours does not pass yet; `{command_name()} learn hint {exercise.number}` helps, "
            f"`{command_name()} learn solution {exercise.number} --spoil` shows it all the same"
        )
    console().print(feedback.code((exercise.folder / "solution.py").read_text(encoding="utf-8")))
    return 0


def _reset(exercise: Exercise, work: Work) -> int:
    kept = work.reset(exercise)
    yours = f"; yours is {os.path.relpath(kept)}" if kept else ""
    console().print(f"{work.shown(exercise)} is the starter again{yours}")
    return 0


def _tell(status: Status, exercise: Exercise, words: str) -> None:
    status.update(f"{exercise.label}: {words}")


def _selftest(chosen: Sequence[Exercise], seeds: int) -> int:
    out = console()
    verdicts = []
    with rig(store=any(one.store for one in chosen)) as made:
        for one in chosen:
            with out.status(one.label) as status:
                told = partial(_tell, status, one)
                verdicts.append(selftest.selftest(one, made, seeds=seeds, told=told))
            out.print(feedback.judged(verdicts[-1]))
    return 1 if any(verdict.faults for verdict in verdicts) else 0
