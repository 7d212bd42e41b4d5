"""How often a chat asks Valkey: round trips and commands for a question that is new, and for one that is in the cache.

A figure that no noise of the machine moves, and the first to look at when the others become worse.

Read `run.py` for the list of benchmarks.
"""

import asyncio
import itertools
import json
import time
from dataclasses import replace

from loadtests.bench.report import Book, Column, Figures, Layout
from loadtests.bench.rig import Rig
from loadtests.bench.store import Traffic
from loadtests.bench.subjects import CACHED, GAUNTLET, prime

CHATS = 200
SETTLE_S = 0.5
IDLE_S = 2.0
SHOWN_FROM = 0.05
HIT_QUESTION = "what is a thundering herd?"

COUNTS = Layout(
    "counts",
    f"counts: {CHATS} chats one after the other; what Valkey saw for each, the service at rest subtracted",
    (
        Column("round\ntrips", "round_trips", 2),
        Column("commands", "commands", 2),
        Column("failed\n%", "failed_pct", 1),
    ),
    note="which commands (those inside scripts included)",
)


def _per_chat(busy: Traffic, busy_s: float, idle: Traffic) -> tuple[Figures, str]:
    """Figures for each chat, and the commands in words, the most frequent first."""
    background = busy_s / IDLE_S
    calls = {name: (count - idle.calls[name] * background) / CHATS for name, count in busy.calls.items()}
    shown = sorted(((per_chat, name) for name, per_chat in calls.items() if per_chat >= SHOWN_FROM), reverse=True)
    figures = {"round_trips": (busy.reads - idle.reads * background) / CHATS, "commands": sum(calls.values())}
    return figures, ", ".join(f"{name} {per_chat:.2f}" for per_chat, name in shown)


async def counts(rig: Rig, book: Book, rounds: int, _seconds: float) -> None:
    """One connection asks, so that what is sent together belongs to one chat."""
    question = json.dumps({"text": HIT_QUESTION}).encode()
    async with rig.serving(COUNTS.name, GAUNTLET) as servers:
        rig.upstream.set_delay(0)
        for server in servers:
            prime(GAUNTLET, server.base_url, HIT_QUESTION)
            misses = server.plan(1, requests_each=CHATS)
            hits = replace(misses, bodies=itertools.repeat(question), marker=CACHED)
            for number in range(rounds):
                before = rig.store.traffic()
                await asyncio.sleep(IDLE_S)
                idle = rig.store.traffic().since(before)
                for row, plan in (("miss", misses), ("hit", hits)):
                    before, began_s = rig.store.traffic(), time.perf_counter()
                    outcome, figures = await rig.measure(server, plan)
                    await asyncio.sleep(SETTLE_S)
                    busy, busy_s = rig.store.traffic().since(before), time.perf_counter() - began_s
                    per_chat, commands = _per_chat(busy, busy_s, idle)
                    book.add(COUNTS.name, row, number, figures | per_chat, outcome.failures, commands)
