"""What the load generator itself can do: its ceiling must be far above what scenarios ask of it.

    python -m loadtests.bench.generator [--seconds S] [--rounds N]

Locust with our requests, books and beats, closed users without a pause, nothing streamed, against a server that answers
at once; one process, then two. The goal is 500 requests per second from one process. Read
`../load/locustfile.py` next: what is measured.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loadtests.bench.processes import Process, pin, split_cpus
from loadtests.bench.subjects import HELLO_ASGI
from loadtests.books import client
from loadtests.conduct.crew import Crew
from loadtests.load.beats import Beat
from loadtests.load.job import Control, Job
from loadtests.scenario.model import Callers, Expectation, Mix, Phase, Scenario
from loadtests.verdict.scope import percentile

GOAL_PER_S = 500
USERS = 64
PROCESSES = (1, 2)
SETTLES_S = 1.0
"""Users are still being started in the first second."""


def scenario(seconds: float) -> Scenario:
    """Users who never pause, all asking their own."""
    return Scenario(
        name="ceiling",
        title="As much as it can",
        about="The generator's own ceiling.",
        short_s=seconds,
        arrivals="closed",
        think_s=0.0,
        mix=Mix(faq=0.0, unique=1.0, stream_share=0.0, openai_share=0.0),
        callers=(Callers(name="acme", tenants=8, users=8),),
        phase=(Phase(name="all", for_s=seconds + SETTLES_S, users=USERS),),
        expect=(Expectation(measure="success_share", at_least=1.0, why="a server that does nothing does not fail"),),
    )


def measure(seconds: float, rounds: int) -> Table:
    """Start the server on the first CPU and the generator on the others; return the table of results."""
    table = Table(title=f"the load generator, {USERS} users, streaming share 0: median of {rounds} rounds")
    for heading in ("processes", "requests/s", "CPU us per request", "p50 ms", "p99 ms", "failed", "goal"):
        table.add_column(heading, justify="right")
    theirs, ours = split_cpus()
    with tempfile.TemporaryDirectory() as folder:
        server = Process(HELLO_ASGI.name, HELLO_ASGI.command(""), {}, theirs, Path(folder))
        try:
            pin(0, ours)
            url = server.wait_ready()["url"]
            for processes in PROCESSES:
                found = [_round(url, Path(folder) / f"{processes}-{n}", seconds, processes) for n in range(rounds)]
                rate, cost_us, half_ms, tail_ms = (
                    statistics.median(each) for each in list(zip(*found, strict=True))[:4]
                )
                goal = "" if processes > 1 else f">= {GOAL_PER_S}: {'yes' if rate >= GOAL_PER_S else 'no'}"
                failed = sum(one[4] for one in found)
                figures = (f"{rate:,.0f}", f"{cost_us:.0f}", f"{half_ms:.1f}", f"{tail_ms:.1f}", f"{failed:.0f}", goal)
                table.add_row(str(processes), *figures)
        finally:
            server.end()
    return table


def _round(url: str, folder: Path, seconds: float, processes: int) -> tuple[float, float, float, float, float]:
    """Requests per second, CPU per request in us, p50 and p99 in ms, failures."""
    folder.mkdir()
    chosen = scenario(seconds)
    Control().write(folder)
    crew = Crew(Job(folder, chosen, 7, "ceil", url, processes))
    try:
        crew.start()
        epoch = time.time() + SETTLES_S
        Control(epoch=epoch).write(folder)
        while time.time() < epoch + chosen.lasts_s:
            crew.check()
            time.sleep(0.1)
        Control(epoch=epoch, stop=True).write(folder)
        beats: list[Beat] = list(crew.beats.read().values())
    finally:
        crew.end()
    lines = client.read(folder)
    first, last = epoch + SETTLES_S, epoch + chosen.lasts_s
    inside = [entry for entry in (lines.entries if lines else ()) if first <= entry.ended < last]
    ok = [entry.duration_ms for entry in inside if entry.outcome == "answered"]
    used_s = sum(beat.busy for beat in beats) * (last - first)
    return (
        len(ok) / (last - first),
        used_s / max(len(ok), 1) * 1e6,
        percentile(ok, 0.50) or 0.0,
        percentile(ok, 0.99) or 0.0,
        float(len(inside) - len(ok)),
    )


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print the table. A goal that is missed is no failure: it is printed."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench.generator", description="Measure the generator.")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(words)
    if not (0 < arguments.seconds <= 60 and 0 < arguments.rounds <= 20):
        parser.error("--seconds must be above 0 and at most 60, --rounds from 1 to 20")
    Console().print(measure(arguments.seconds, arguments.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
