"""`gauntlet ablate SCENARIO --off breaker,retry,cache`: what each stage is worth, by taking it away.

Every run has the same seed, so the same arrivals and the same decisions of the faults; it has tenants of its own, so
the cache is cold. All of it takes place in private workbenches, which cost nothing and touch nobody's. The chapter's
PoC comes first. Read `loadtests/ablation/variants.py` next.
"""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich import box
from rich.table import Table
from rich.text import Text

from door import home, kept, laboratory, poc
from door.console import console
from door.errors import UsageError
from door.telling import Terminal
from door.workbench import workbench
from loadtests import ablation
from loadtests.ablation.worth import target_of
from loadtests.conduct import Finished, Hooks, Places, conduct
from loadtests.scenario import Scenario
from loadtests.verdict import keeping, report

PAGE = "ablation.html"
POC_DRAIN_S = 12.0
"""Who waits at the PoC when the load is over gives up after this: its queue would take minutes."""


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when all runs can be compared, 2 when one could not be judged, 130 interrupted."""
    args = _parser().parse_args(argv)
    told = Terminal(console())
    return laboratory.guarded(told, lambda: _ablated(args, told))


def _parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog="gauntlet ablate",
        description="The same incident with all stages, without each, and at the chapter's PoC.",
        epilog="exit code: 0 the runs can be compared, 2 one could not be judged or was refused, 130 interrupted",
    )
    flags.add_argument("scenario", help="its name, or the path of a .toml file")
    laboratory.add_run_flags(flags, length="length of each run (default: the short one of the tests): 45s, 3m")
    flags.add_argument(
        "--off",
        type=laboratory.names,
        default=ablation.USUAL_OFF,
        metavar="STAGES",
        help=f"taken away one at a time (default {','.join(ablation.USUAL_OFF)})",
    )
    flags.add_argument("--orders", action="store_true", help="also the other two orders of breaker, retry and fallback")
    flags.add_argument("--no-poc", action="store_true", help="leave the chapter's PoC out")
    return flags


def _ablated(args: argparse.Namespace, told: Terminal) -> int:
    scenario = laboratory.of(args, args.scenario)
    if args.for_s is None:
        args.for_s = scenario.short_s
    variants = ablation.chosen(args.off, orders=args.orders, poc=not args.no_poc)
    _check_stages(args.off)
    told.say(f"{len(variants)} runs of about {args.for_s + 15:.0f} s each")
    stopping = laboratory.Stopping()
    runs: list[Finished] = []
    for variant, places in _placed(variants):
        told.heading(variant.label)
        options = laboratory.options(args, "ablate", off=variant.off)
        options = replace(options, label=f"{scenario.name}: {variant.label}", plain=variant.poc)
        if variant.poc:
            options = replace(options, drain_s=POC_DRAIN_S)
        hooks = Hooks(
            started=told.began,
            progress=told.progress,
            judging=told.judging,
            breaks_off=lambda: stopping.asked,
        )
        finished = conduct(scenario, places, options, hooks)
        kept.keep(finished, rows=not variant.poc)
        runs.append(finished)
        if stopping.asked:
            return laboratory.INTERRUPTED
    return _show(scenario, variants, runs)


def _placed(variants: Sequence[ablation.Variant]) -> Iterator[tuple[ablation.Variant, Places]]:
    """Each variant with where it runs: one workbench for those that only switch stages, one for each order."""
    folder = home.find(os.environ)
    with workbench(os.environ) as lab:
        usual = laboratory.places_of(folder, lab)
        for variant in variants:
            if variant.order is not None:
                continue
            if variant.poc:
                with poc.serving(lab.urls["anthropic"], lab.home, payments=lab.urls["payments"]) as url:
                    yield variant, replace(usual, service=url)
            else:
                yield variant, usual
    for variant in variants:
        if variant.order is not None:
            with workbench(os.environ, service_env={"GAUNTLET_ORDER": json.dumps(list(variant.order))}) as lab:
                yield variant, laboratory.places_of(folder, lab)


def _show(scenario: Scenario, variants: Sequence[ablation.Variant], runs: Sequence[Finished]) -> int:
    found = ablation.rows([(variant, one.scenario, one.evidence) for variant, one in zip(variants, runs, strict=True)])
    headers = [header.format(target=target_of(scenario)) for header in ablation.HEADERS]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for place, header in enumerate(headers):
        table.add_column(header, justify="right" if place else "left")
    for row in found:
        table.add_row(Text(row.label), *row.cells())
    out = console()
    out.print(Text(f"{scenario.title}, seed {runs[0].seed}", style="bold"))
    out.print(table)
    out.print(Text("against all stages:", style="dim"))
    said = ablation.sentences(variants, found)
    for sentence in said:
        out.print(Text(f"  {sentence}"))
    page = report.of_ablation(
        f"What each stage is worth: {scenario.title}",
        " ".join(scenario.about.split()),
        [replace(keeping.told(one), label=variant.label) for variant, one in zip(variants, runs, strict=True)],
        report.Table(headers, [(row.label, row.cells()) for row in found], "; ".join(said)),
    )
    path = report.write(runs[-1].run.folder / PAGE, page)
    out.print(Text(f"report: {path}", style="dim"), soft_wrap=True)
    blind = [one for one in runs if one.verdict.word == "unknown"]
    for one in blind:
        out.print(Text(f"{one.run.label} could not be judged: {one.verdict.reason}", style="yellow"))
    return laboratory.NOT_JUDGED if blind else laboratory.PASS


def _check_stages(off: Sequence[str]) -> None:
    known = ablation.ORDERS["breaker inside retry"]
    if strange := sorted(set(off) - set(known)):
        raise UsageError(f"no stage is named {', '.join(strange)}; there are {', '.join(known)}")
