"""Where a run of load takes place: at the running `up`, at a service that flags name, or in a private workbench.

Shared by `load`, `predict`, `demo`, `ablate` and `drill`: their flags, the signals that stop them. Read `kept.py` next:
what is kept of a run.
"""

import argparse
import os
import select
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from door import configuration, home, running
from door.errors import DoorError, UsageError
from door.flags import seconds, whole
from loadtests import scenario as scenarios
from loadtests.books.errors import CannotJudge
from loadtests.conduct import BrokenOff, Options, Places, Refused
from loadtests.conduct.places import LIVE
from loadtests.load.job import KEY_VARIABLE
from loadtests.scenario import Scenario, ScenarioError
from loadtests.scenario.timing import times

if TYPE_CHECKING:
    from door.telling import Telling

PASS, FAIL, NOT_JUDGED, INTERRUPTED = 0, 1, 2, 130
CODES = {"pass": PASS, "fail": FAIL, "unknown": NOT_JUDGED}
ADMIN_KEY_VARIABLE = "GAUNTLET_ADMIN_KEY"
"""Whose key switches stages where demo keys are not taken."""

MOST_PROCESSES = 32
MOST_USERS = 100_000
LOOK_S = 0.05


LENGTH = "shorten or stretch it, no phase below its least length: 45s, 3m"
SEED = "of arrivals, questions and faults (default: the scenario's own)"


def add_flags(flags: argparse.ArgumentParser, *, seed: str = SEED) -> None:
    """What a run may be told, and where it takes place."""
    add_run_flags(flags, seed=seed)
    add_purse(flags)
    for name, what in (
        ("service", "whom to load"),
        ("simulator", "who plays the providers; left out where they are real"),
        ("collector", "who watches"),
    ):
        flags.add_argument(f"--{name}", metavar="URL", help=f"{what} (default: of the running `up`)")


def add_purse(flags: argparse.ArgumentParser) -> None:
    """The consent that whatever makes load needs where answers cost real money."""
    flags.add_argument("--max-usd", type=_usd, metavar="USD", help="what it may spend; needed in the live profile")


def add_run_flags(flags: argparse.ArgumentParser, *, length: str = LENGTH, seed: str = SEED) -> None:
    """What every run of load may be told."""
    flags.add_argument("--for", dest="for_s", type=seconds, metavar="TIME", help=length)
    flags.add_argument("--seed", type=int, help=seed)
    flags.add_argument(
        "--users",
        type=whole(1, MOST_USERS),
        metavar="N",
        help="users at the peak (closed), or arrivals per second there (open)",
    )
    flags.add_argument(
        "--workers", type=whole(1, MOST_PROCESSES), default=1, metavar="N", help="processes of the load generator"
    )


def of(args: argparse.Namespace, name: str) -> Scenario:
    """The scenario, as loud as `--users` says. Raises ScenarioError."""
    scenario = scenarios.named(name)
    if args.users is None:
        return scenario
    peak = max(max(*phase.rates, *phase.crowd) for phase in scenario.phase)
    if not peak:
        raise UsageError(f"--users: {scenario.name} has bursts only; there is no rate to change")
    return times(scenario, args.users / peak)


def options(args: argparse.Namespace, verb: str, **more: Any) -> Options:
    """What the flags say of a run of this verb."""
    return Options(
        seed=args.seed,
        for_s=args.for_s,
        processes=args.workers,
        command=repeated(args, verb),
        max_usd=getattr(args, "max_usd", None),
        key=os.environ.get(KEY_VARIABLE),
        **more,
    )


def repeated(args: argparse.Namespace, verb: str) -> str:
    """The command that does it again."""
    words = ["gauntlet", verb, *([args.scenario] if getattr(args, "scenario", None) else [])]
    for flag, value in (
        ("--for", None if args.for_s is None else f"{args.for_s:g}s"),
        ("--seed", args.seed),
        ("--users", args.users),
        ("--workers", args.workers if args.workers > 1 else None),
        ("--off", ",".join(getattr(args, "off", ()) or ()) or None),
        ("--max-usd", getattr(args, "max_usd", None)),
    ):
        words += [] if value is None else [flag, str(value)]
    return shlex.join(words)


@dataclass(frozen=True, slots=True)
class Site:
    """Where it takes place; `ours` where a private workbench was started for it."""

    places: Places
    ours: bool = False


@contextmanager
def site(args: argparse.Namespace, say: Callable[[str], None], *, dashboard: bool = True) -> Iterator[Site]:
    """The running `up` or what flags name, else a private workbench for as long as the block runs.

    Raises UsageError for flags that do not go together, DoorError when the private one cannot be started.
    """
    if args.service or args.simulator or args.collector:
        yield Site(_named(args))
        return
    up = running.lab(os.environ)
    if up is not None:
        yield Site(places_of(up.home, up))
        return
    if configuration.effective(os.environ).get("GAUNTLET_PROFILE") == LIVE:
        raise UsageError(
            "the live profile is configured and no `up` runs: start it (`gauntlet up`), and say --max-usd; without "
            "GAUNTLET_PROFILE=live a private workbench is started, which costs nothing"
        )
    from door.workbench import workbench

    say("no `up` runs: a private workbench is started for this, and ended with it")
    with workbench(os.environ, dashboard=dashboard) as lab:
        yield Site(places_of(home.find(os.environ), lab), ours=True)


def places_of(folder: Path, lab: running.Lab) -> Places:
    """The parts of a workbench, with its runs in `folder`."""
    urls = lab.urls
    return Places(
        folder,
        urls["service"],
        urls["simulator"],
        urls["collector"],
        urls.get("dashboard"),
        admin_key=_admin_key(),
        store_pid=lab.store_pid,
        worker_pid=lab.queue_worker_pid,
    )


def _named(args: argparse.Namespace) -> Places:
    if not (args.service and args.collector):
        raise UsageError(
            "--service and --collector go together: name both, and --simulator where the providers are simulated"
        )
    up = running.lab(os.environ)
    ours = up is not None and up.urls["service"] == args.service
    return Places(
        home.find(os.environ),
        args.service,
        args.simulator or "",
        args.collector,
        admin_key=_admin_key(),
        store_pid=up.store_pid if up is not None and ours else lambda: None,
        worker_pid=up.queue_worker_pid if up is not None and ours else lambda: None,
    )


def _admin_key() -> str:
    return os.environ.get(ADMIN_KEY_VARIABLE) or "demo-admin"


def guarded(told: "Telling", run: Callable[[], int]) -> int:
    """The run's exit code; NOT_JUDGED with the reason in words where it was refused or could not be judged."""
    try:
        return run()
    except BrokenOff as error:
        told.say(str(error))
        return INTERRUPTED
    except (Refused, CannotJudge, ScenarioError, DoorError) as error:
        told.refused(str(error))
        return NOT_JUDGED


class Stopping:
    """Whether a signal asked to stop; the second one breaks off."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # `nohup` means it
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def wait_for_enter(stopping: Stopping) -> None:
    """Until somebody presses Enter, or a signal says that it is enough."""
    while not stopping.asked and not select.select([sys.stdin], [], [], LOOK_S)[0]:
        pass


def _usd(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 100_000:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected an amount such as 0.50")
    return value


def names(text: str) -> Sequence[str]:
    """`breaker,retry` as a list; for argparse."""
    return [name.strip() for name in text.split(",") if name.strip()]
