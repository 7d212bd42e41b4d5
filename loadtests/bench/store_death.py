"""What a dying Valkey costs a chat: killed without warning, and paused so that every connection to it hangs.

Read `counts.py` next: how often a healthy chat asks it.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from loadtests.bench import load
from loadtests.bench.load import Outcome
from loadtests.bench.report import Book, Column, Figures, Goal, Layout
from loadtests.bench.rig import Rig, Server
from loadtests.bench.subjects import GAUNTLET_2, request

DELAY_MS = 50.0
CLIENTS = 8
WARM_UP_S = 1.0
HURT_S = 5.0
BACK_WITHIN_S = 15.0
POLL_S = 0.05
MARKER = b'"answer"'
KILLED, PAUSED = "killed (SIGKILL)", "paused (SIGSTOP)"

_P99_ADDED = Column("p99\nadded", "p99_added_ms", 1)

STORE_DEATH = Layout(
    "store-death",
    f"store-death: Valkey gone for {HURT_S:g} s, 2 workers, {CLIENTS} at once, upstream {DELAY_MS:.0f} ms; in ms",
    (
        Column("p99\nhealthy", "p99_healthy_ms", 1),
        Column("p99\nhurt", "p99_ms", 1),
        _P99_ADDED,
        Column("p50\nhurt", "p50_ms", 1),
        Column("max", "max_ms"),
        Column("answered\n%", "answered_pct", 2),
        Column("ready\nagain s", "ready_again_s", 2),
    ),
    tuple(Goal(f"p99 added while {row}, ms", row, _P99_ADDED, at_most=500) for row in (KILLED, PAUSED)),
)


def _figures(healthy: Outcome, hurt: Outcome, ready_again_s: float) -> Figures:
    p99_healthy_ms, p99_ms = healthy.percentile_ms(0.99), hurt.percentile_ms(0.99)
    return {
        "p99_healthy_ms": p99_healthy_ms,
        "p50_ms": hurt.percentile_ms(0.50),
        "p99_ms": p99_ms,
        "p99_added_ms": p99_ms - p99_healthy_ms,
        "max_ms": hurt.percentile_ms(1),
        "answered_pct": 100 * (1 - hurt.failed_share),
        "failed_pct": 100 * hurt.failed_share,
        "ready_again_s": ready_again_s,
    }


async def _ready_again_s(server: Server) -> float:
    """Seconds until `/ready` says 200; nan when it does not within `BACK_WITHIN_S`."""
    began_s = time.perf_counter()
    while time.perf_counter() - began_s < BACK_WITHIN_S:
        with suppress(OSError):
            if request(f"{server.base_url}/ready")[0] == 200:
                return time.perf_counter() - began_s
        await asyncio.sleep(POLL_S)
    return float("nan")


async def _hurt(
    server: Server, healthy_s: float, hurt: Callable[[], None], heal: Callable[[], None]
) -> tuple[Figures, str]:
    plan = replace(server.plan(CLIENTS, healthy_s + HURT_S), marker=MARKER)
    began_s = time.perf_counter()
    running = asyncio.create_task(load.run(plan))
    try:
        await asyncio.sleep(healthy_s)
        hurt_s = time.perf_counter()
        hurt()
        outcome = await running
    finally:
        running.cancel()
        heal()
    ready_again_s = await _ready_again_s(server)
    healthy, unhealthy = outcome.between(began_s, hurt_s), outcome.between(hurt_s, float("inf"))
    return _figures(healthy, unhealthy, ready_again_s), outcome.failures


async def store_death(rig: Rig, book: Book, rounds: int, seconds: float) -> None:
    """A steady load, healthy for `seconds` and then without store; requests under way at its death count as hurt."""
    async with rig.serving(STORE_DEATH.name, GAUNTLET_2) as servers:
        rig.upstream.set_delay(DELAY_MS)
        for server in servers:
            await load.run(server.plan(CLIENTS, WARM_UP_S))
            for number in range(rounds):
                killed = await _hurt(server, seconds, rig.store.kill, rig.store.start)
                book.add(STORE_DEATH.name, KILLED, number, *killed)
                paused = await _hurt(server, seconds, rig.store.pause, rig.store.resume)
                book.add(STORE_DEATH.name, PAUSED, number, *paused)
