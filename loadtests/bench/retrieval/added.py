"""What a search adds to an answer: the route `handbook` beside `default`, on one service, in rounds.

The simulator answers everything in 5 ms, and each question is new, so a search pays for its vector, the index and the
reranker. Read `../paired.py` next: how rounds are measured.
"""

import itertools
import json
import operator
import os
from collections.abc import Iterator
from dataclasses import replace

from loadtests.bench.load import Plan
from loadtests.bench.paired import in_rounds
from loadtests.bench.report import Book, Column, Goal, Layout
from loadtests.bench.retrieval.quality import questions
from loadtests.bench.retrieval.stage import LATENCY_MS, environment, look, until_ready
from loadtests.bench.rig import Rig, Server
from loadtests.bench.subjects import GAUNTLET

ONE = 1
WHOLE = b'"degraded":[]'
"""In every answer that lacks nothing."""
PLAIN, SEARCHED = "without", "with retrieval"
MOST_ADDED_MS = 40.0

_P50, _P99 = Column("p50 ms", "p50_ms", 1), Column("p99 ms", "p99_ms", 1)
_ADDED = Column("p50 added", "p50_ms", 1, PLAIN, operator.sub)
RETRIEVAL = Layout(
    "retrieval",
    f"retrieval: a search before the model, every question new, {ONE} at once, each call {LATENCY_MS:g} ms",
    (_P50, _P99, _ADDED, Column("CPU\nµs/req", "cpu_us"), Column("failed\n%", "failed_pct", 1)),
    (Goal("p50 added, ms", SEARCHED, _ADDED, at_most=MOST_ADDED_MS),),
)


def bodies(route: str) -> Iterator[bytes]:
    """Questions without end, none of them asked before."""
    run = os.urandom(6).hex()
    asked = itertools.cycle(questions())
    return (
        json.dumps({"text": f"{next(asked).text} run-{run} q{n}", "route": route}).encode() for n in itertools.count()
    )


async def retrieval(rig: Rig, book: Book, rounds: int, seconds: float) -> None:
    """Measure; a search that found less than it should carries no marker, and counts as failed."""

    def plan(server: Server) -> Plan:
        route = "handbook" if server.subject.name == SEARCHED else "default"
        return replace(server.plan(ONE, seconds), bodies=bodies(route), marker=WHOLE)

    with rig.simulator() as ports:
        subject = replace(
            GAUNTLET,
            calls_upstream=False,
            environment=lambda needs: {**GAUNTLET.environment(needs), **environment(ports)},
        )
        async with rig.serving(RETRIEVAL.name, subject) as servers:
            for server in servers:
                until_ready(server.base_url)
                for asked in questions():  # the simulator thinks about words that it meets for the first time
                    look(server.base_url, asked.text)
                named = [replace(server, subject=replace(subject, name=name)) for name in (PLAIN, SEARCHED)]
                await in_rounds(rig, book, RETRIEVAL.name, named, rounds, plan)
