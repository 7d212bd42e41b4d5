"""`gauntlet load SCENARIO`: put a load on, break what the scenario breaks, and say whether the promises held.

Against the running `up`; where none runs, against a private workbench that is started for it. Here are the flags and
the exit code; what a run does is in `loadtests/conduct`. Read `laboratory.py` next.
"""

import argparse
import json
from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from door import kept, laboratory, load_web
from door.console import command_name, console
from door.errors import UsageError
from door.telling import Lines, Telling, Terminal
from loadtests import scenario as scenarios
from loadtests.conduct import Hooks, conduct


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when every promise held, 1 when one did not, 2 when it could not be judged, 130 interrupted."""
    args = _parser().parse_args(argv)
    if args.list or (args.scenario is None and not args.web):
        return _list(as_json=args.json)
    if args.web:
        _check_alone(args)
        return laboratory.guarded(Terminal(console()), lambda: load_web.run(args))
    told: Telling = Lines() if args.json else Terminal(console())
    return laboratory.guarded(told, lambda: judged(args, told))


def _check_alone(args: argparse.Namespace) -> None:
    """Raises UsageError for flags that would count for nothing: what they say is chosen on the page."""
    chosen = {"SCENARIO": args.scenario, "--for": args.for_s, "--seed": args.seed, "--users": args.users}
    chosen |= {"--off": args.off or None, "--max-usd": args.max_usd, "--json": args.json or None}
    chosen["--workers"] = None if args.workers == 1 else args.workers
    if given := [name for name, value in chosen.items() if value is not None]:
        raise UsageError(
            f"--web with {', '.join(given)}: that is chosen on Locust's page; say --web alone, or leave it out"
        )


def judged(args: argparse.Namespace, told: Telling) -> int:
    """One run, kept and told. Raises what `laboratory.guarded` turns into words."""
    scenario = laboratory.of(args, args.scenario)
    stopping = laboratory.Stopping()
    with laboratory.site(args, told.say) as site:
        if site.places.dashboard:
            told.say(f"watch it at {site.places.dashboard}")
        hooks = Hooks(
            started=told.started,
            progress=told.progress,
            judging=told.judging,
            steering=told.steering,
            breaks_off=lambda: stopping.asked,
        )
        finished = conduct(scenario, site.places, laboratory.options(args, "load", off=args.off), hooks)
        told.finished(finished, kept.keep(finished))
    return laboratory.INTERRUPTED if stopping.asked else laboratory.CODES[finished.verdict.word]


def _parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog="gauntlet load",
        description="Replay a scenario against the service and judge it; without a name, list them.",
        epilog="exit code: 0 the promises held, 1 one did not, 2 not judged or refused, 130 interrupted",
    )
    flags.add_argument("scenario", nargs="?", help="its name, or the path of a .toml file")
    laboratory.add_flags(flags)
    flags.add_argument("--off", type=laboratory.names, default=(), metavar="STAGES", help="switch off: breaker,retry")
    flags.add_argument("--list", action="store_true", help="list the scenarios")
    flags.add_argument("--json", action="store_true", help="a JSON line per second, then the verdict")
    flags.add_argument(
        "--web", action="store_true", help="serve Locust's own page, where scenario, fault and stages are chosen"
    )
    return flags


def _list(*, as_json: bool) -> int:
    found = [scenarios.named(name) for name in scenarios.names()]
    if as_json:
        rows = [
            {
                "name": one.name,
                "title": one.title,
                "about": " ".join(one.about.split()),
                "duration_s": one.lasts_s,
                "short_s": one.short_s,
                "shape": one.arrivals,
            }
            for one in found
        ]
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name, justify in (("scenario", "left"), ("lasts", "right"), ("what happens", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for one in found:
        table.add_row(Text(one.name, style="bold"), f"{one.lasts_s:.0f} s", one.title)
    console().print(table)
    console().print(Text(f"{command_name()} load outage --for 48s", style="dim"))
    return 0
