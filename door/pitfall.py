"""`gauntlet pitfall N`: one of the chapter's pitfalls, before and after under the same load, with a guess first.

The applications, the load and what is counted are in `notebooks/pitfalls`; here are the flags and the terminal. Read
`notebooks/pitfalls/__init__.py` next.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.status import Status
from rich.text import Text

from door import home
from door.console import console
from door.errors import DoorError, UsageError
from door.flags import seconds
from door.signals import stop_like_ctrl_c
from notebooks.pitfalls import Pitfall, Result, all_pitfalls, named, run_pitfall
from notebooks.pitfalls.chart import save
from notebooks.pitfalls.guess import number_in
from notebooks.pitfalls.result import Verdict
from notebooks.pitfalls.running import SEED, run_of
from notebooks.pitfalls.terminal import show, show_beginning, show_list

FOLDER = "pitfalls"
CODES = {Verdict.SHOWN: 0, Verdict.NOT_SHOWN: 1, Verdict.NOT_JUDGED: 2}
TRIES = 5


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when the effect showed, 1 when it did not, 2 when nothing can be judged, 130 interrupted."""
    args = _parser().parse_args(argv)
    stop_like_ctrl_c()
    if args.pitfall is None:
        return _listed(args)
    pitfall = named(args.pitfall)
    for_s = pitfall.lasting(args.for_s, short=args.short)
    out = Console(stderr=True, highlight=False) if args.json else console()
    if not args.json:
        show_beginning(out, pitfall)
        out.print(Text(_question(pitfall, for_s), style="bold cyan"))
    guess = args.guess if args.guess is not None or args.json else _asked()
    try:
        with out.status("") as status:
            result = run_pitfall(
                pitfall, for_s=for_s, seed=args.seed, guess=guess, say=lambda words: _tell(out, status, words)
            )
    except DoorError as error:
        error.exit_code = CODES[Verdict.NOT_JUDGED]  # nothing was measured
        raise
    _told(out, result, as_json=args.json)
    return CODES[result.verdict]


def _tell(out: Console, status: Status, words: str) -> None:
    """How far it is: in place on a terminal, a line each elsewhere."""
    if out.is_terminal:
        status.update(Text(words, style="dim"))
    else:
        out.print(Text(words, style="dim"))


def _told(out: Console, result: Result, *, as_json: bool) -> None:
    path = save(result, home.find(os.environ) / FOLDER)
    if as_json:
        print(json.dumps({**result.document(), "chart": str(path)}, ensure_ascii=False, indent=2))
        return
    show(out, result)
    out.print(Text(f"chart: {path}", style="dim"), soft_wrap=True)


def _question(pitfall: Pitfall, for_s: float) -> str:
    return " ".join(pitfall.asked.asked.split()).format(**run_of(pitfall).planned(for_s))


def _asked() -> float | None:
    """The guess of whoever sits at the terminal; None when nobody does, or they skip it."""
    if not sys.stdin.isatty():
        return None
    for _ in range(TRIES):
        try:
            return number_in(input("your guess (Enter skips): "))
        except ValueError as error:
            print(error, file=sys.stderr)
        except EOFError:
            return None
    raise UsageError(f"no number in {TRIES} tries; --guess 12 gives one without being asked")


def _listed(args: argparse.Namespace) -> int:
    if args.json:
        rows = [{"pitfall": p.number, "name": p.name, "title": p.title, "counts": p.counts} for p in all_pitfalls()]
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        show_list(console())
    return 0


def _guess(text: str) -> float:
    try:
        number = number_in(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if number is None:
        raise argparse.ArgumentTypeError("expected a number such as 12 or 0.5")
    return number


def _parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog="gauntlet pitfall",
        description="The chapter's pitfalls as programs, before and after, under the same load. Without a number: "
        "which there are. On a terminal it asks for a guess first.",
        epilog="exit code: 0 the effect showed, 1 it did not, 2 not judged or wrong usage, 130 interrupted",
    )
    flags.add_argument("pitfall", nargs="?", metavar="N", help="its number or its name: 3, blind_retries")
    flags.add_argument("--guess", type=_guess, metavar="X", help="your guess, without being asked")
    flags.add_argument("--short", action="store_true", help="as short as it can be shown")
    flags.add_argument("--for", dest="for_s", type=seconds, metavar="TIME", help="how long the load lasts: 8s, 1m")
    flags.add_argument("--seed", type=int, default=SEED, help=f"of the arrivals and questions (default {SEED})")
    flags.add_argument("--json", action="store_true", help="the figures for programs; no questions")
    return flags
