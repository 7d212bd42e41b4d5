"""`gauntlet predict SCENARIO`: asks for the figures first, then runs it, and lays prediction and result side by side.

Read `loadtests/prediction.py` next: what is asked.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from door import kept, laboratory
from door.console import console
from door.errors import UsageError
from door.telling import Terminal
from loadtests import prediction
from loadtests.conduct import Finished, Hooks, conduct
from loadtests.prediction import Question
from loadtests.scenario import Scenario
from loadtests.scenario.timing import lasting
from loadtests.verdict.told import Predicted

FILE = "prediction.json"
TRIES = 5


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when the run was judged (however near the guess came), 2 when it could not be, 130 interrupted."""
    args = _parser().parse_args(argv)
    told = Terminal(console())
    return laboratory.guarded(told, lambda: _predicted(args, told))


def _parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog="gauntlet predict",
        description="Say what you expect of a scenario, then see.",
        epilog="exit code: 0 it ran, whatever the guess was worth; 2 not judged or refused, 130 interrupted",
    )
    flags.add_argument("scenario", help="its name, or the path of a .toml file")
    laboratory.add_flags(flags)
    flags.add_argument("--guess", metavar="NAME=NUMBER,…", help="answers without questions: success=99.5,p99=800")
    return flags


def _predicted(args: argparse.Namespace, told: Terminal) -> int:
    scenario = laboratory.of(args, args.scenario)
    if args.for_s is not None:
        scenario = lasting(scenario, args.for_s)
    asked = prediction.questions(scenario)
    guesses = _given(asked, args.guess) if args.guess else _answers(scenario, asked)
    stopping = laboratory.Stopping()
    with laboratory.site(args, told.say) as site:
        hooks = Hooks(
            started=told.began,
            progress=told.progress,
            judging=told.judging,
            breaks_off=lambda: stopping.asked,
        )
        finished = conduct(scenario, site.places, laboratory.options(args, "predict"), hooks)
        document = prediction.document(guesses, finished.evidence)
        (finished.run.folder / FILE).write_text(json.dumps(document, indent=2) + "\n")
        saved = kept.keep(finished, predicted=guesses)
        told.finished(finished, saved)
        _show(guesses, finished)
    if stopping.asked:
        return laboratory.INTERRUPTED
    return laboratory.NOT_JUDGED if finished.verdict.word == "unknown" else laboratory.PASS


def _answers(scenario: Scenario, asked: Sequence[Question]) -> list[Predicted]:
    """What the person at the terminal says. Raises UsageError where nobody is there to ask."""
    out = console()
    out.print(Text(scenario.title, style="bold"))
    out.print(Text(" ".join(scenario.about.split())))
    if scenario.arrivals == "open":
        out.print(
            Text(f"about {prediction.planned_requests(scenario):,} requests in {scenario.lasts_s:.0f} s", style="dim")
        )
    return [_answer(question) for question in asked]


def _answer(question: Question) -> Predicted:
    for _ in range(TRIES):
        try:
            given = input(f"{question.words} ({question.unit}) ")
        except EOFError:
            raise UsageError(
                "nobody answers; --guess success=99.5,p99=800 gives the answers without questions"
            ) from None
        try:
            return question.predicted(float(given.strip().rstrip("%").replace(",", "")))
        except ValueError as error:
            words = str(error) if question.name in str(error) else f"got {given!r}; expected a number"
            print(words, file=sys.stderr)
    raise UsageError(f"{question.name}: no number in {TRIES} tries")


def _given(asked: Sequence[Question], text: str) -> list[Predicted]:
    by_name = {question.name: question for question in asked}
    found = []
    for pair in laboratory.names(text):
        name, _, number = pair.partition("=")
        if name not in by_name:
            raise UsageError(f"--guess: {name!r} is not asked here; there are {', '.join(by_name)}")
        try:
            found.append(by_name[name].predicted(float(number)))
        except ValueError as error:
            raise UsageError(f"--guess: {pair!r}: {error}") from None
    return found


def _show(guesses: Sequence[Predicted], finished: Finished) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for place, name in enumerate(("", "predicted", "came", "")):
        table.add_column(name, justify="right" if place in (1, 2) else "left")
    for guess in guesses:
        came = prediction.said(guess.measured(finished.evidence), guess.unit)
        near = prediction.nearness(guess, finished.evidence)
        table.add_row(Text(guess.words), prediction.said(guess.value, guess.unit), came, Text(near))
    console().print(table)
