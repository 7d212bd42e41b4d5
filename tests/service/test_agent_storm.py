"""Two hundred runs while workers are killed and each decision comes thrice: charges equal approvals, no run is lost.

Next: ``../../service/tracks/agent_track.py``.
"""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from service.tracks.agent_record import charge_key
from service.tracks.agent_runs import OPEN

from ..caller import Caller
from ..process import Process
from ..stack import Stack
from ..waiting import eventually
from . import agent
from .agent import ENDED, LOOK_EVERY_S, begin, decide, seen
from .jobs import nothing_kept

RUNS = 200
WORKERS = 3
KILL_EVERY_S = 1.0
WITHIN_S = 240
DECIDERS = 3
"""At once, for each run that waits."""
AMOUNTS = {"1001": 1_999, "1002": 4_999, "1003": 12_900, "1004": 89_900, "1005": 5_000}
"""What an order brings back; above 50.00 it needs an approval."""
LIMIT = 5_000


@pytest.fixture(scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Process]]:
    folder = tmp_path_factory.mktemp("agent-storm")
    env = {**agent.checkpoints(folder), "GAUNTLET_QUEUE__ENABLED": "true"}
    stack = Stack.start(folder, toml=agent.settings(), env=env)
    try:
        dying = agent.dying_workers(stack, WORKERS)
        try:
            yield stack, dying
        finally:
            dying.end()
    finally:
        stack.end()


@pytest.fixture
async def storm(_stack: tuple[Stack, Process]) -> AsyncIterator[tuple[Stack, Process]]:
    async with _stack[0]:
        await _stack[0].reset()
        yield _stack


async def _kill(workers: Process, over: asyncio.Event) -> None:
    """One at random, every now and then."""
    while not over.is_set():
        workers.popen.send_signal(signal.SIGUSR1)
        try:
            await asyncio.wait_for(over.wait(), KILL_EVERY_S)
        except TimeoutError:
            continue


async def _lead(stack: Stack, caller: Caller, order: str, decision: str) -> tuple[str, dict[str, Any], Counter[int]]:
    """One run to its end; decided several times at once where it waits."""
    run_id = await begin(caller, f"alice-{order}")
    answers: Counter[int] = Counter()
    run: dict[str, Any] = {}

    async def over() -> bool:
        run.update(await seen(caller, run_id))
        if run["status"] == "waiting" and not answers:
            several = await asyncio.gather(*(decide(stack.admin, run_id, decision) for _ in range(DECIDERS)))
            answers.update(answer.status for answer in several)
        return run["status"] in ENDED

    await eventually(over, run, within_s=WITHIN_S, every_s=LOOK_EVERY_S)
    return run_id, run, answers


@pytest.mark.alone
@pytest.mark.timeout(WITHIN_S + 120)
async def test_charges_equal_approvals(storm: tuple[Stack, Process]) -> None:
    stack, workers = storm
    chance = random.Random(7)  # noqa: S311
    wanted = [(chance.choice(list(AMOUNTS)), chance.choice(("approve", "approve", "reject"))) for _ in range(RUNS)]
    over = asyncio.Event()
    killing = asyncio.create_task(_kill(workers, over))
    try:
        led = await asyncio.gather(*(_lead(stack, stack.caller(), *each) for each in wanted))
    finally:
        over.set()
        await killing
    moved = await stack.sim.charges()
    by_key: dict[str, list[int]] = {}
    for row in moved:
        by_key.setdefault(row["idempotency_key"], []).append(row["amount"])
    for (order, decision), (run_id, run, answers) in zip(wanted, led, strict=True):
        above = AMOUNTS[order] > LIMIT
        assert run["proposal"]["needs_approval"] == above
        if above:
            assert answers == {202: 1, 409: DECIDERS - 1}, run
            assert run["decision"] == decision
        paid = not above or decision == "approve"
        assert (run["status"], run["outcome"]) == (("completed", "refunded") if paid else ("rejected", "rejected")), run
        assert by_key.pop(charge_key(run_id, run["created_at"]), []) == ([AMOUNTS[order]] if paid else [])
    assert by_key == {}, "charges that belong to no run"
    assert workers.lines(event="died", signal=9), "nobody was killed"
    async with Redis(port=stack.valkey.port) as redis:
        await nothing_kept(redis, within_s=30)
        assert await redis.zcard(OPEN) == 0, "each end is told"
