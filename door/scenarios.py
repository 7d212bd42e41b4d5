"""`gauntlet scenarios`: every scenario on the service as built, in private workbenches, and a table of verdicts.

`make scenarios` runs them in full with three seeds. Each run is `gauntlet load … --json` in a home of its own, as a
person would run it, several at a time where the machine bears it; those that put all of it to work come first,
each alone. Read `load.py` next.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from door import home
from door.console import console
from door.errors import UsageError
from door.flags import whole
from door.home import ROOT
from door.laboratory import FAIL, NOT_JUDGED, PASS, names
from loadtests import scenario as scenarios

SEEDS = (7, 8, 9)
LANES = 2
MOST_LANES = 16
STYLES = {"pass": "green", "fail": "bold red", "unknown": "yellow"}
SLACK_S = 240.0
"""What a run may take beyond its length: the workbench starts, the last answers come, the books are compared."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: its verdict, and what broke in a sentence."""

    name: str
    seed: int
    verdict: str
    words: str
    took_s: float


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when all passed, 1 when one failed, 2 when one could not be judged."""
    args = _parser().parse_args(argv)
    wanted = args.names or scenarios.names()
    if strange := sorted(set(wanted) - set(scenarios.names())):
        raise UsageError(f"no scenario is named {', '.join(strange)}; there are {', '.join(scenarios.names())}")
    runs = [(name, seed) for seed in args.seeds for name in wanted]
    found: list[Outcome] = []
    folder = home.find(os.environ) / "scenarios"
    loud = [(name, seed) for name, seed in runs if scenarios.named(name).is_loud]
    beside = [one for one in runs if one not in loud]
    for some, lanes in ((loud, 1), (beside, args.lanes)):
        for outcome in _done(some, lanes, folder, short=args.short):
            found.append(outcome)
            style = STYLES[outcome.verdict]
            line = Text(f"{len(found):>3} of {len(runs)}  {outcome.name:<16} seed {outcome.seed:<4} ")
            line.append(f"{outcome.verdict:<8}", style=style).append(f"{outcome.took_s:5.0f} s  {outcome.words}")
            console().print(line, soft_wrap=True)
    _show(found, args.seeds)
    verdicts = {outcome.verdict for outcome in found}
    return FAIL if "fail" in verdicts else NOT_JUDGED if "unknown" in verdicts else PASS


def _done(runs: Sequence[tuple[str, int]], lanes: int, folder: Path, *, short: bool) -> Iterator[Outcome]:
    """Each as soon as it has ended, so many at a time."""
    with ThreadPoolExecutor(lanes) as pool, _cancelling(pool):
        pending = [pool.submit(one, name, seed, folder, short=short) for name, seed in runs]
        for done in as_completed(pending):
            yield done.result()


def _parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog="gauntlet scenarios",
        description="Run all scenarios (or those named) in private workbenches.",
        epilog="exit code: 0 all passed, 1 one failed, 2 one could not be judged",
    )
    flags.add_argument("names", nargs="*", metavar="SCENARIO")
    flags.add_argument("--seeds", type=_seeds, default=SEEDS, metavar="N,N,…", help="default 7,8,9")
    flags.add_argument("--short", action="store_true", help="each as short as in the tests")
    flags.add_argument(
        "--lanes", type=whole(1, MOST_LANES), default=LANES, metavar="N", help=f"so many at a time (default {LANES})"
    )
    return flags


@contextmanager
def _cancelling(lanes: ThreadPoolExecutor) -> Iterator[None]:
    """Whatever ends the block early begins no more runs."""
    try:
        yield
    except BaseException:
        lanes.shutdown(wait=False, cancel_futures=True)
        raise


def one(name: str, seed: int, folder: Path, *, short: bool) -> Outcome:
    """One scenario in a private workbench; its run is kept under `folder`."""
    scenario = scenarios.named(name)
    lasts_s = scenario.short_s if short else scenario.lasts_s
    place = folder / f"{name}-{seed}"
    place.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "gauntlet", "load", name, "--json", "--seed", str(seed)]
    command += ["--for", f"{lasts_s:g}"] if short else []
    began = time.monotonic()
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command,
            cwd=ROOT,
            env={**os.environ, "GAUNTLET_HOME": str(place)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=lasts_s + SLACK_S,
            check=False,
        )
        verdict, words = _read(done.stdout, done.stderr)
    except subprocess.TimeoutExpired:
        verdict, words = "unknown", f"it did not end within {lasts_s + SLACK_S:.0f} s"
    return Outcome(name, seed, verdict, words, time.monotonic() - began)


def _read(output: str, errors: str) -> tuple[str, str]:
    """The verdict, and what broke."""
    try:
        last: dict[str, Any] = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        last = {}
    if last.get("event") != "verdict":
        return "unknown", str(last.get("reason") or (errors.strip().splitlines() or ["it said nothing"])[-1])
    if last["verdict"] == "unknown":
        return "unknown", str(last["reason"])
    broken = [f"{row['measure']} is {row['said']}, {row['bound']}" for row in last["expectations"] if not row["passed"]]
    broken += [] if last["books"] == "balanced" else [f"books: {last['books']} {last.get('books_said', '')}"]
    return str(last["verdict"]), "; ".join(broken)


def _show(found: Sequence[Outcome], seeds: Sequence[int]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("scenario")
    for seed in seeds:
        table.add_column(f"seed {seed}")
    by_name: dict[str, dict[int, str]] = {}
    for outcome in found:
        by_name.setdefault(outcome.name, {})[outcome.seed] = outcome.verdict
    for name in sorted(by_name):
        verdicts = (by_name[name].get(seed, "") for seed in seeds)
        table.add_row(Text(name), *(Text(verdict.upper(), style=STYLES.get(verdict, "")) for verdict in verdicts))
    console().print(table)


def _seeds(text: str) -> Sequence[int]:
    try:
        return [int(word) for word in names(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected seeds such as 7,8,9") from None
