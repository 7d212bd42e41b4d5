"""The benchmarks that compare subjects in rounds: ceilings, throughput, telemetry, hits, latency.

Each round measures the reference first and then the others in a new order, all with the same load, so that a slow
minute of the machine hits them alike; ratios and differences are taken within a round.

Read `slow.py` next: a provider that takes five seconds.
"""

import itertools
import json
import operator
import random
from collections.abc import Callable
from dataclasses import replace

from loadtests.bench import load
from loadtests.bench.load import Plan
from loadtests.bench.report import Book, Column, Goal, Layout
from loadtests.bench.rig import Rig, Server
from loadtests.bench.subjects import (
    BARE,
    BARE_AIOHTTP,
    CACHED,
    COLLECTOR_AWAY,
    COLLECTOR_HANGS,
    EVERY_TRACE,
    GAUNTLET,
    HELLO,
    HELLO_ASGI,
    UNTOLD,
    UPSTREAM,
    prime,
)

WARM_UP_S = 0.5
MANY, FEW = 64, 8
LATENCY_DELAY_MS = 50.0
HIT_QUESTION = "what is full jitter?"

_RATE = Column("req/s", "req_per_s")
_CPU = Column("CPU\nµs/req", "cpu_us")
_P50, _P99 = Column("p50 ms", "p50_ms", 1), Column("p99 ms", "p99_ms", 1)
_FAILED = Column("failed\n%", "failed_pct", 1)
_TIMES_BARE = Column("× bare", "req_per_s", 2, BARE.name)
_TIMES_HELLO = Column("× hello", "req_per_s", 2, HELLO.name)
_TIMES_OFF = Column("× off", "req_per_s", 2, UNTOLD.name)
_CPU_ADDED = Column("CPU µs\nadded", "cpu_us", 0, UNTOLD.name, operator.sub)
_P99_CHANGE = Column("p99\nchange", "p99_ms", 1, GAUNTLET.name, operator.sub)
_P50_ADDED = Column("p50 added", "p50_ms", 1, UPSTREAM.name, operator.sub)
_P99_ADDED = Column("p99 added", "p99_ms", 1, UPSTREAM.name, operator.sub)

CEILINGS = Layout(
    "ceilings",
    f"ceilings of the tools themselves: {MANY} at once, upstream 0 ms",
    (_RATE, _CPU, _P50, _P99, _FAILED),
)
THROUGHPUT = Layout(
    "throughput",
    f"throughput: every question new, {MANY} at once, upstream 0 ms",
    (_RATE, _TIMES_BARE, _CPU, _P50, _P99, _FAILED),
    (Goal("misses × bare", GAUNTLET.name, _TIMES_BARE, at_least=1.6),),
)
HITS = Layout(
    "hits",
    f"hits: one question that is in the cache, {MANY} at once",
    (_RATE, _TIMES_HELLO, _CPU, _P50, _P99, _FAILED),
    (Goal("hits × hello", GAUNTLET.name, _TIMES_HELLO, at_least=0.5),),
)
TELEMETRY = Layout(
    "telemetry",
    f"telemetry: on against off, every question new, {MANY} at once, upstream 0 ms",
    (_RATE, _TIMES_OFF, _CPU, _CPU_ADDED, _P50, _P99, _FAILED),
    (Goal("on × off", GAUNTLET.name, _TIMES_OFF, at_least=0.85),),
)
COLLECTOR_DEATH = Layout(
    "collector-death",
    f"collector death: every question new, {FEW} at once, upstream {LATENCY_DELAY_MS:.0f} ms",
    (_P50, _P99, _P99_CHANGE, _CPU, _FAILED),
    (
        Goal("p99 change, ms", COLLECTOR_AWAY.name, _P99_CHANGE, at_most=5),
        Goal("p99 change, ms", COLLECTOR_HANGS.name, _P99_CHANGE, at_most=5),
    ),
)
LATENCY = Layout(
    "latency",
    f"latency: every question new, {FEW} at once, upstream {LATENCY_DELAY_MS:.0f} ms",
    (_P50, _P99, _P50_ADDED, _P99_ADDED, _CPU, _FAILED),
    (
        Goal("p50 added, ms", GAUNTLET.name, _P50_ADDED, at_most=4),
        Goal("p99 added, ms", GAUNTLET.name, _P99_ADDED, at_most=10),
    ),
)


async def in_rounds(
    rig: Rig, book: Book, benchmark: str, servers: list[Server], rounds: int, plan: Callable[[Server], Plan]
) -> None:
    """Measure each server once in every round, after a warm-up; the first one is the reference."""
    for server in servers:
        await load.run(replace(plan(server), seconds=WARM_UP_S))
    for number in range(rounds):
        others = servers[1:]
        random.shuffle(others)
        for server in [*servers[:1], *others]:
            outcome, figures = await rig.measure(server, plan(server))
            book.add(benchmark, server.subject.name, number, figures, outcome.failures)


async def ceilings(rig: Rig, book: Book, rounds: int, seconds: float) -> None:
    """How fast load generator and upstream are by themselves, and uvicorn without a framework."""
    async with rig.serving(CEILINGS.name, HELLO_ASGI) as servers:
        rig.upstream.set_delay(0)
        servers = [rig.direct, *servers]
        await in_rounds(rig, book, CEILINGS.name, servers, rounds, lambda server: server.plan(MANY, seconds))


async def throughput(rig: Rig, book: Book, rounds: int, seconds: float) -> None:
    """What a request costs when the provider costs nothing: the subject's own work."""
    async with rig.serving(THROUGHPUT.name, BARE, BARE_AIOHTTP, GAUNTLET) as servers:
        rig.upstream.set_delay(0)
        await in_rounds(rig, book, THROUGHPUT.name, servers, rounds, lambda server: server.plan(MANY, seconds))


async def telemetry(rig: Rig, book: Book, rounds: int, seconds: float) -> None:
    """What it costs to tell: a record and its metrics for every request, some traces, and without sampling all."""
    async with rig.serving(TELEMETRY.name, UNTOLD, GAUNTLET, EVERY_TRACE) as servers:
        rig.upstream.set_delay(0)
        await in_rounds(rig, book, TELEMETRY.name, servers, rounds, lambda server: server.plan(MANY, seconds))


async def collector_death(rig: Rig, book: Book, rounds: int, seconds: float) -> None:
    """What a request notices of a collector that is not there, or takes everything and says nothing."""
    async with rig.serving(COLLECTOR_DEATH.name, GAUNTLET, COLLECTOR_AWAY, COLLECTOR_HANGS) as servers:
        rig.upstream.set_delay(LATENCY_DELAY_MS)
        await in_rounds(rig, book, COLLECTOR_DEATH.name, servers, rounds, lambda server: server.plan(FEW, seconds))


async def hits(rig: Rig, book: Book, rounds: int, seconds: float) -> None:
    """What an answer from the cache costs, beside a handler that does nothing."""

    def plan(server: Server) -> Plan:
        body = json.dumps({"text": HIT_QUESTION}).encode()
        marker = CACHED if server.subject.has_cache else server.subject.marker
        return replace(server.plan(MANY, seconds), bodies=itertools.repeat(body), marker=marker)

    async with rig.serving(HITS.name, HELLO, GAUNTLET) as servers:
        rig.upstream.set_delay(0)
        for server in servers:
            if server.subject.has_cache:
                prime(server.subject, server.base_url, HIT_QUESTION)
        await in_rounds(rig, book, HITS.name, servers, rounds, plan)


async def latency(rig: Rig, book: Book, rounds: int, seconds: float) -> None:
    """What a subject adds to a provider's own time when it is not busy."""
    async with rig.serving(LATENCY.name, BARE, BARE_AIOHTTP, GAUNTLET) as servers:
        rig.upstream.set_delay(LATENCY_DELAY_MS)
        servers = [rig.direct, *servers]
        await in_rounds(rig, book, LATENCY.name, servers, rounds, lambda server: server.plan(FEW, seconds))
