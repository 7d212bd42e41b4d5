"""The command: which benchmarks there are, in which order they run, and what is printed.

    python -m loadtests.bench [NAME …] [--rounds N] [--seconds S]

Read `paired.py` next: the first of them.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import uvloop
from rich.console import Console

from loadtests.bench import collector, counts, dashboard, generator, paired, poc, simulator, slow, store_death
from loadtests.bench.processes import ROOT, DidNotStartError
from loadtests.bench.report import Book, Layout
from loadtests.bench.retrieval import added
from loadtests.bench.rig import Rig

ALONE = {
    "simulator": simulator.main,
    "collector": collector.main,
    "generator": generator.main,
    "dashboard": dashboard.main,
}
"""Benchmarks of one process, without the service and its rig."""

FOLDER = ROOT / ".gauntlet" / "bench"
INTERRUPTED = 130
WIDTH = 100


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A measurement with its defaults; `seconds` is the length of one measurement, where the benchmark has such."""

    layout: Layout
    measure: Callable[[Rig, Book, int, float], Awaitable[None]]
    rounds: int
    seconds: float = 0.0


BENCHMARKS = {
    benchmark.layout.name: benchmark
    for benchmark in (
        Benchmark(paired.CEILINGS, paired.ceilings, rounds=2, seconds=1.0),
        Benchmark(paired.THROUGHPUT, paired.throughput, rounds=5, seconds=2.5),
        Benchmark(paired.TELEMETRY, paired.telemetry, rounds=4, seconds=2.5),
        Benchmark(paired.COLLECTOR_DEATH, paired.collector_death, rounds=3, seconds=4.0),
        Benchmark(paired.HITS, paired.hits, rounds=4, seconds=2.5),
        Benchmark(paired.LATENCY, paired.latency, rounds=4, seconds=2.5),
        Benchmark(added.RETRIEVAL, added.retrieval, rounds=4, seconds=2.5),
        Benchmark(slow.SLOW, slow.slow, rounds=1),
        Benchmark(poc.POC, poc.poc, rounds=1),
        Benchmark(store_death.STORE_DEATH, store_death.store_death, rounds=1, seconds=4.0),
        Benchmark(counts.COUNTS, counts.counts, rounds=1),
    )
}
NAMES = (*BENCHMARKS, *ALONE)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench", description="Measure the service beside bare handlers on this machine."
    )
    parser.add_argument(
        "names", nargs="*", default=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}; all when none is given"
    )
    parser.add_argument("--rounds", type=int, help="rounds of each benchmark, at least 1 (each has its own default)")
    parser.add_argument("--seconds", type=float, help="length of one measurement, above 0 (each has its own default)")
    arguments = parser.parse_args(words)
    unknown = [name for name in arguments.names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark is named {', '.join(unknown)}; there are {', '.join(NAMES)}")
    for option, given in (("--rounds", arguments.rounds), ("--seconds", arguments.seconds)):
        if given is not None and given <= 0:
            parser.error(f"{option} must be above 0, but it is {given:g}")
    return arguments


async def _run(arguments: argparse.Namespace, book: Book, console: Console) -> None:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with Rig(FOLDER / "logs", book) as rig:
        for benchmark in (BENCHMARKS[name] for name in BENCHMARKS if name in arguments.names):
            rounds, seconds = arguments.rounds or benchmark.rounds, arguments.seconds or benchmark.seconds
            await benchmark.measure(rig, book, rounds, seconds)
            book.show(benchmark.layout, console)


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmarks named in `words` (the command line when None): 0 when all were measured, else 1.

    A goal that is missed is no failure: it is printed.
    """
    arguments, console = _arguments(words), Console(width=None if sys.stdout.isatty() else WIDTH)
    book = Book(FOLDER / "results.jsonl")
    began_s = time.monotonic()
    try:
        if set(arguments.names) - ALONE.keys():
            uvloop.run(_run(arguments, book, console))
        given = (("--rounds", arguments.rounds), ("--seconds", arguments.seconds))
        for name in (name for name in ALONE if name in arguments.names):
            ALONE[name]([word for option, value in given if value for word in (option, f"{value:g}")])
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted; everything that was started has ended")
        return INTERRUPTED
    except DidNotStartError as error:
        console.print(str(error), markup=False, highlight=False)
        return 1
    console.print(
        f"took {time.monotonic() - began_s:.0f} s; medians, and their range over the rounds; "
        f"every measurement is a line of {book.results.relative_to(ROOT)}"
    )
    return int(book.has_failures)
