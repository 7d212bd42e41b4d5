"""A provider that takes five seconds, and two thousand clients: does waiting cost anything but memory?

Read `poc.py` next: the same clients at the chapter's proof of concept.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace

from loadtests.bench import load
from loadtests.bench.report import Book, Column, Figures, Goal, Layout
from loadtests.bench.rig import Rig, Server
from loadtests.bench.subjects import BARE_AIOHTTP, GAUNTLET

DELAY_MS = 5000.0
CLIENTS = 2000
WAVES = 3
RAMP_S = 5.0
TIMEOUT_S = 60.0
WARM_UP_S = 1.0
RSS_EVERY_S = 0.5
FILES_PER_CLIENT = 2
FILES_SPARE = 200

_RATE = Column("req/s", "req_per_s", 1)
_TIMES = Column("× bare-\naiohttp", "req_per_s", 3, BARE_AIOHTTP.name)

SLOW = Layout(
    "slow",
    f"slow: upstream {DELAY_MS / 1000:g} s, up to {CLIENTS} clients × {WAVES} questions, over {RAMP_S:g} s at first",
    (
        _RATE,
        _TIMES,
        Column("most\nwaiting", "most_in_flight"),
        Column("p99 s", "p99_s", 1),
        Column("KiB per\nwaiting", "kib_per_waiting", 1),
        Column("peak\nMiB", "peak_rss_mib"),
        Column("failed\n%", "failed_pct", 1),
    ),
    (Goal("× bare-aiohttp", GAUNTLET.name, _TIMES, at_least=0.95),),
)


async def _peak_rss(server: Server, peak: list[int]) -> None:
    while True:
        peak.append(server.process.rss_bytes())
        await asyncio.sleep(RSS_EVERY_S)


async def _run(rig: Rig, server: Server, clients: int) -> tuple[Figures, str]:
    rig.upstream.set_delay(0)
    await load.run(server.plan(clients // 20, WARM_UP_S))
    rest_bytes, seen_bytes = server.process.rss_bytes(), [0]
    rig.upstream.set_delay(DELAY_MS)
    plan = replace(server.plan(clients, requests_each=WAVES), ramp_s=RAMP_S, timeout_s=TIMEOUT_S)
    watch = asyncio.create_task(_peak_rss(server, seen_bytes))
    try:
        outcome, figures = await rig.measure(server, plan)
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
    _, most_in_flight = rig.upstream.counts()
    memory = {
        "p99_s": figures["p99_ms"] / 1000,
        "most_in_flight": float(most_in_flight),
        "peak_rss_mib": max(seen_bytes) / 2**20,
        "kib_per_waiting": (max(seen_bytes) - rest_bytes) / 2**10 / max(most_in_flight, 1),
    }
    return figures | memory, outcome.failures


async def slow(rig: Rig, book: Book, rounds: int, _seconds: float) -> None:
    """Each subject in a process of its own that has seen no other load, so that its memory can be told.

    Fewer clients than `CLIENTS` run where the system allows too few open files: a server holds two for each.
    """
    clients = min(CLIENTS, (rig.open_files - FILES_SPARE) // FILES_PER_CLIENT)
    for number in range(rounds):
        for subject in (BARE_AIOHTTP, GAUNTLET):
            async with rig.serving(SLOW.name, subject) as servers:
                for server in servers:
                    book.add(SLOW.name, subject.name, number, *await _run(rig, server, clients))
