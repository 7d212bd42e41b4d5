"""`gauntlet drill`: something breaks under load at a moment that nobody tells; find it, name it, mend it.

Watch the dashboard, answer here. Against the running `up`; where none runs, against a private workbench. Here are the
flags and the terminal; what a drill is, is in `loadtests/drill`. Read `prompt.py` next: how a line is typed.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import replace

from rich.padding import Padding
from rich.text import Text

from door import kept, laboratory
from door.console import command_name, console
from door.prompt import Prompt
from door.telling import Terminal
from loadtests import drill

SEEDS = 10_000
RECORD = "drill.json"
BRIEF = (
    "An ordinary load runs. At some moment something breaks; neither this terminal nor the dashboard's list of faults "
    "tells. Find which provider it is, what it does and since when, and make the answers well again. You may switch "
    "stages, turn the load to another route, close circuits, here or on the dashboard. Good is an answer within 2.5 s, "
    "or with its first token within 1.5 s when it is streamed; two in a hundred may be otherwise."
)
FIRST_LINES = "Type `alarm` when you see something, `diagnose PROVIDER FAULT SECONDS` when you know; `help` lists all."


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when a drill was played to its debrief, 2 when it was refused or could not be, 130 interrupted."""
    args = _parser().parse_args(argv)
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(1, SEEDS)
    told = Terminal(console())
    return laboratory.guarded(told, lambda: played(args, told))


def played(args: argparse.Namespace, told: Terminal) -> int:
    """One drill. Raises what `laboratory.guarded` turns into words."""
    scenario = laboratory.of(args, str(drill.SCENARIO))
    stopping = laboratory.Stopping()
    with laboratory.site(args, told.say) as site:
        out = console()
        out.print(Text(scenario.title, style="bold"))
        out.print(BRIEF)
        out.print(Text(FIRST_LINES, style="bold"))
        out.print(
            Text(f"Watch it at {site.places.dashboard or 'the dashboard'}; the load starts …", style="dim"),
            soft_wrap=True,
        )
        options = laboratory.options(args, "drill", label="Drill")
        with Prompt(out) as prompt:
            result = drill.play(
                scenario,
                site.places,
                options,
                _Screen(prompt),
                seed=args.seed,
                practice=args.practice,
                stopped=lambda: stopping.asked,
            )
        if stopping.asked:
            return laboratory.INTERRUPTED
        drill.debrief(result, out, again(args))
        for note in _keep(result):
            told.say(f"note: {note}")
        told.say(f"kept in {result.finished.run.folder}")
        if site.ours and prompt.interactive:
            _stay(site.places.dashboard, stopping)
    return laboratory.INTERRUPTED if stopping.asked else 0


def again(args: argparse.Namespace) -> str:
    """The command that plays the same drill."""
    words = laboratory.repeated(args, "drill").removeprefix("gauntlet")
    return f"{command_name()}{words}{' --practice' if args.practice else ''}"


class _Screen:
    """What a drill says and hears."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt

    def lines(self) -> Sequence[str]:
        return self._prompt.lines()

    def tell(self, words: str) -> None:
        self._prompt.print(Padding(Text(words), (0, 0, 0, 2)))

    def coach(self, words: str) -> None:
        self._prompt.print(Padding(Text(words, style="cyan"), (0, 0, 0, 2)))

    def over(self, words: str) -> None:
        self._prompt.close()
        self._prompt.print(Text(words, style="dim"))

    def clock(self, at_s: float, lasts_s: float) -> None:
        self._prompt.mark = f"{at_s:4.0f} s of {lasts_s:.0f} > "
        self._prompt.draw()


def _keep(result: drill.Played) -> Sequence[str]:
    """As every run, and `drill.json` beside it; returns notes."""
    run = result.finished.run.noting(label=f"Drill: {result.planned.incident.title}")
    (run.folder / RECORD).write_text(json.dumps(drill.document(result), indent=2, ensure_ascii=False) + "\n")
    finished = replace(result.finished, run=run)
    return kept.keep(finished, hidden=finished.evidence.bands).notes


def _stay(dashboard: str | None, stopping: laboratory.Stopping) -> None:
    """A private workbench ends with the drill; let the player look around first."""
    console().print(f"The workbench runs on, so that you can look ({dashboard}); Enter ends it.", soft_wrap=True)
    laboratory.wait_for_enter(stopping)


def _parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog="gauntlet drill",
        description="Something breaks under load at a moment that nobody tells: find it, name it, mend it. --seed "
        "chooses what; without it one is drawn.",
        epilog="exit code: 0 it was played to its debrief, 2 it was refused or could not be, 130 interrupted",
    )
    laboratory.add_flags(flags, seed="which incident, when, and the load's arrivals (default: drawn, told at the end)")
    flags.add_argument("--practice", action="store_true", help="with hints and explanations as it goes")
    return flags
