"""What the simulator itself can do: it must never be the bottleneck of a measurement (DESIGN section 5).

    python -m loadtests.bench.simulator [--seconds S] [--rounds N]

One pinned core, no latency, all answers extracted anew: every question is another. The goal is 2,000 calls per second
that are not streamed. Read `load.py` next: the load generator; `../simulator/exchange.py`: what is measured.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from loadtests.bench.load import Plan, run
from loadtests.bench.processes import Process, pin, split_cpus

GOAL_PER_S = 2000
CONNECTIONS = 64
HOUSES = ("control", "anthropic", "openai", "payments", "retrieval", "webhooks")

_SYSTEM = (
    "You are the help desk of a shop. Orders ship within two days. Refunds take five days. Support answers in English."
)


@dataclass(frozen=True, slots=True)
class Subject:
    """One kind of call: the listener, the path, the text that a right answer contains, and whether it is streamed."""

    name: str
    house: str
    path: str
    model: str
    marker: bytes
    stream: bool = False


SUBJECTS = (
    Subject("anthropic", "anthropic", "/v1/messages", "claude-opus-4-7", b"end_turn"),
    Subject("openai", "openai", "/v1/chat/completions", "gpt-4o-mini", b"finish_reason"),
    Subject("anthropic, streamed", "anthropic", "/v1/messages", "claude-opus-4-7", b"message_stop", stream=True),
    Subject("openai, streamed", "openai", "/v1/chat/completions", "gpt-4o-mini", b"[DONE]", stream=True),
)


def questions(subject: Subject) -> Iterator[bytes]:
    """Request bodies without end, each with another question."""
    for number in itertools.count():
        user = {"role": "user", "content": f"How many days does the refund of order {number} take?"}
        body = {"model": subject.model, "max_tokens": 300, "stream": subject.stream, "messages": [user]}
        if subject.house == "anthropic":
            body["system"] = _SYSTEM
        else:
            body["messages"] = [{"role": "system", "content": _SYSTEM}, user]
        yield orjson.dumps(body)


async def measure(seconds: float, rounds: int) -> Table:
    """Start a simulator on the first CPU, load it from the others, and return the table of results."""
    table = Table(title=f"the simulator on one core, {CONNECTIONS} connections, no latency: median of {rounds} rounds")
    for heading in ("calls", "calls/s", "CPU us per call", "p50 ms", "p99 ms", "failed", f"goal {GOAL_PER_S:,}/s"):
        table.add_column(heading, justify="left" if heading == "calls" else "right")
    ours, others = split_cpus()
    with tempfile.TemporaryDirectory() as logs:
        ports = [word for house in HOUSES for word in (f"--{house}-port", "0")]
        simulator = Process("simulator", [sys.executable, "-m", "loadtests.simulator", *ports], {}, ours, Path(logs))
        try:
            pin(0, others)
            bound = simulator.wait_ready()["ports"]
            await _no_latency(bound["control"])
            for subject in SUBJECTS:
                table.add_row(*await _measure_one(simulator, subject, bound[subject.house], seconds, rounds))
        finally:
            simulator.end()
    return table


async def _no_latency(control_port: int) -> None:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{control_port}", raise_for_status=True) as control:
        for target in ("anthropic", "openai"):
            times = {"target": target, "first_token_ms": 0, "per_token_ms": 0, "sigma": 0}
            await (await control.put("/sim/latency", json=times)).read()


async def _measure_one(simulator: Process, subject: Subject, port: int, seconds: float, rounds: int) -> tuple[str, ...]:
    headers = {"authorization": "Bearer bench", "anthropic-version": "2026-10-21"}
    rates, costs_us, halves_ms, tails_ms, failed = [], [], [], [], 0
    for _ in range(rounds):
        url = f"http://127.0.0.1:{port}{subject.path}"
        plan = Plan(url, questions(subject), CONNECTIONS, headers, seconds=seconds, marker=subject.marker)
        cpu_s = simulator.cpu_s()
        outcome = await run(plan)
        costs_us.append((simulator.cpu_s() - cpu_s) / max(1, outcome.sent) * 1e6)
        rates.append(outcome.requests_per_s)
        halves_ms.append(outcome.percentile_ms(0.50))
        tails_ms.append(outcome.percentile_ms(0.99))
        failed += outcome.sent - outcome.ok
    rate = statistics.median(rates)
    verdict = "" if subject.stream else "yes" if rate >= GOAL_PER_S else "no"
    figures = [f"{statistics.median(costs_us):.0f}", f"{statistics.median(halves_ms):.1f}"]
    return (subject.name, f"{rate:,.0f}", *figures, f"{statistics.median(tails_ms):.1f}", str(failed), verdict)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print the table. A goal that is missed is no failure: it is printed."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench.simulator", description="Measure the simulator.")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(words)
    if not (0 < arguments.seconds <= 60 and 0 < arguments.rounds <= 20):
        parser.error("--seconds must be above 0 and at most 60, --rounds from 1 to 20")
    Console().print(uvloop.run(measure(arguments.seconds, arguments.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
