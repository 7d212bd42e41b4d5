"""The chapter's proof of concept beside the service: a provider that takes five seconds, and two thousand clients.

Four calls of 5 s at once are 0.8 requests per second, however many wait (chapter, section 2). The rate is counted in
the same window for all, begun when every client has come and midway between two waves of answers. A client of the
proof of concept asks once and gives up after `PATIENCE_S`, or the run would take forty minutes.

Read `store_death.py` next: what a dying Valkey costs.
"""

import time
from dataclasses import replace

from loadtests.bench import load
from loadtests.bench.report import Book, Column, Figures, Goal, Layout
from loadtests.bench.rig import Rig, Server
from loadtests.bench.slow import DELAY_MS, FILES_PER_CLIENT, FILES_SPARE, RAMP_S, WARM_UP_S
from loadtests.bench.subjects import GAUNTLET, POC_BLOCKING, POC_SYNC, Subject

CLIENTS = 2_500
"""Each waits five seconds: so many can ask 500 times per second at most."""

WINDOW_BEGINS_S = RAMP_S + DELAY_MS / 2000
WINDOW_S = 20.0
PATIENCE_S = WINDOW_BEGINS_S + WINDOW_S
"""Nobody leaves before the window has ended."""
WAVES = 5
"""Questions of each client of the service: enough that none is idle before the window ends."""

_RATE = Column("req/s", "req_per_s", 1)

POC = Layout(
    "poc",
    f"poc: upstream {DELAY_MS / 1000:g} s, up to {CLIENTS} clients, who give up after {PATIENCE_S:g} s",
    (
        _RATE,
        Column("× PoC\nsync", "req_per_s", 0, POC_SYNC.name),
        Column("most at\nprovider", "most_in_flight"),
        Column("asked", "sent"),
        Column("answered", "answered"),
        Column("failed\n%", "failed_pct", 1),
        Column("p99 s of\nanswers", "p99_s", 1),
    ),
    (
        Goal("PoC sync, req/s", POC_SYNC.name, _RATE, at_most=0.9, whatever_failed=True),
        Goal("PoC blocking, req/s", POC_BLOCKING.name, _RATE, at_most=0.9, whatever_failed=True),
        Goal("gauntlet, req/s", GAUNTLET.name, _RATE, at_least=350),
    ),
)


async def _run(rig: Rig, server: Server, clients: int, waves: int) -> tuple[Figures, str]:
    rig.upstream.set_delay(0)
    await load.run(server.plan(clients // 20, WARM_UP_S))
    rig.upstream.set_delay(DELAY_MS)
    plan = replace(server.plan(clients, requests_each=waves), ramp_s=RAMP_S, timeout_s=PATIENCE_S)
    begins_s = time.perf_counter() + WINDOW_BEGINS_S
    outcome, figures = await rig.measure(server, plan)
    _, most_in_flight = rig.upstream.counts()
    counted = {
        "req_per_s": outcome.between(begins_s, begins_s + WINDOW_S).requests_per_s,
        "answered": float(outcome.ok),
        "most_in_flight": float(most_in_flight),
        "p99_s": figures["p99_ms"] / 1000,
    }
    return figures | counted, outcome.failures


async def poc(rig: Rig, book: Book, rounds: int, _seconds: float) -> None:
    """Each form of the proof of concept with four calls at once, then the service with one worker."""
    clients = min(CLIENTS, (rig.open_files - FILES_SPARE) // FILES_PER_CLIENT)
    subjects: tuple[tuple[Subject, int], ...] = ((POC_SYNC, 1), (POC_BLOCKING, 1), (GAUNTLET, WAVES))
    for number in range(rounds):
        for subject, waves in subjects:
            async with rig.serving(POC.name, subject) as servers:
                for server in servers:
                    book.add(POC.name, subject.name, number, *await _run(rig, server, clients, waves))
