"""`gauntlet demo`: a narrated outage in three minutes, for somebody who has just installed it.

It is the scenario `demo`, whose phases carry the words; here is who says them when, and where to look meanwhile. Read
`loadtests/scenarios/demo.toml` next.
"""

import argparse
import sys
import webbrowser
from collections.abc import Sequence

from rich.panel import Panel
from rich.text import Text

from door import kept, laboratory
from door.console import command_name, console
from door.telling import Terminal
from loadtests.conduct import Hooks, conduct

NAME = "demo"


def run(argv: Sequence[str]) -> int:
    """Exit code as that of `gauntlet load`."""
    flags = argparse.ArgumentParser(
        prog="gauntlet demo",
        description="A narrated outage in three minutes: load, a provider that dies, and what to look at.",
        epilog="exit code: 0 the promises held, 1 one did not, 2 not judged or refused, 130 interrupted",
    )
    laboratory.add_flags(flags)
    flags.add_argument("--no-browser", action="store_true", help="do not open the dashboard in a browser")
    args = flags.parse_args(argv)
    args.scenario = NAME
    told = Terminal(console(), narrates=True)
    return laboratory.guarded(told, lambda: _shown(args, told))


def _shown(args: argparse.Namespace, told: Terminal) -> int:
    scenario = laboratory.of(args, NAME)
    stopping = laboratory.Stopping()
    with laboratory.site(args, told.say) as site:
        _open(site.places.dashboard, browser=not args.no_browser and sys.stdout.isatty())
        hooks = Hooks(
            started=told.started,
            progress=told.progress,
            judging=told.judging,
            breaks_off=lambda: stopping.asked,
        )
        finished = conduct(scenario, site.places, laboratory.options(args, "demo"), hooks)
        told.finished(finished, kept.keep(finished))
        _afterwards(finished.run.id, site)
        if site.ours and sys.stdin.isatty() and not stopping.asked:
            console().print("The workbench still runs. Look around; Enter ends it.")
            laboratory.wait_for_enter(stopping)
    return laboratory.CODES[finished.verdict.word]


def _open(dashboard: str | None, *, browser: bool) -> None:
    if dashboard is None:
        return
    console().print(Panel(Text(f"Open the dashboard beside this terminal: {dashboard}"), expand=False))
    if browser:
        webbrowser.open(dashboard)


def _afterwards(run_id: str, site: laboratory.Site) -> None:
    command = command_name()
    there = f" --url {site.places.collector}" if site.ours else ""
    words = Text("\nIn a second terminal, while this workbench runs:\n" if site.ours else "\nNext:\n")
    words.append(f"  {command} trace --degraded{there}", style="bold").append(
        "   which requests were answered elsewhere, and why\n"
    )
    words.append(f"  {command} books {run_id}", style="bold").append("   the three books side by side\n")
    words.append("Afterwards:\n" if site.ours else "")
    words.append(f"  {command} ablate outage --off breaker", style="bold").append(
        "   what the breaker is worth: the PoC, all stages, and without it\n"
    )
    words.append(f"  {command} load", style="bold").append("   all other incidents")
    console().print(words)
