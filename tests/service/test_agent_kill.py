"""kill -9 of a worker at every point of a run: the run goes on from its checkpoint, and the money moves once.

All runs are under way at once, so each death also takes others along that are somewhere else. Next:
``test_agent_storm.py``.
"""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from ..caller import Caller
from ..process import Process
from ..stack import Stack
from ..waiting import eventually
from . import agent
from .agent import ABOVE, BELOW, ENDED, LOOK_EVERY_S, begin, charged, decide, run_id_of, seen
from .dying_workers import AGAIN, DIES

STEPS = ("understand", "look_up", "propose", "execute", "tell")
PLACES = ("begin", "done", "told", "kept")
POINTS = [
    *((BELOW, f"{step}:{place}") for step in STEPS for place in PLACES),
    (BELOW, "execute:charged"),
    (BELOW, "finish"),
    (BELOW, "finished"),
    (BELOW, "over"),
    *((ABOVE, point) for point in ("approve:begin", "approve:kept", "wait", "waits")),
    *((ABOVE, f"{point}{AGAIN}") for point in ("approve:begin", "approve:kept")),
    *((ABOVE, f"approve:{place}") for place in ("done", "told")),
    (ABOVE, "execute:charged"),
    (ABOVE, "execute:told"),
]
WITHIN_S = 5.0 * len(POINTS)
"""Each death costs a redelivery, and takes others along."""
ROUNDS = 4
"""At most: a later one has the few runs that were taken across their points."""
AMOUNTS = {BELOW: 4_999, ABOVE: 12_900}
Runs = dict[tuple[str, str], tuple[dict[str, Any], list[int]]]
_ended: Runs = {}
_begun: list[str] = []
"""The ids of the runs, so that nobody makes them again when they did not end."""


@pytest.fixture(scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Process]]:
    folder = tmp_path_factory.mktemp("agent-kill")
    env = {**agent.checkpoints(folder), "GAUNTLET_QUEUE__ENABLED": "true"}
    stack = Stack.start(folder, toml=agent.settings(), env=env)
    try:
        dying = agent.dying_workers(stack, 2)
        try:
            yield stack, dying
        finally:
            dying.end()
    finally:
        stack.end()


@pytest.fixture
async def ended(_stack: tuple[Stack, Process]) -> Runs:
    """All runs once they have ended, with what was charged for each; made by the first who asks."""
    stack, dying = _stack
    if not _ended:
        assert not _begun, "the runs did not end as they should: the first test of this module says why"
        async with stack:
            await stack.reset()
            for _ in range(ROUNDS):
                await _round(stack, [point for point in POINTS if point not in _ended])
        assert set(_ended) == set(POINTS), "each point has struck"
        assert len(dying.lines(event="died", signal=9)) >= len(POINTS)
    return _ended


async def _round(stack: Stack, points: list[tuple[str, str]]) -> None:
    """A run for each point, all at once. One that another's death took across its own point has not met it."""
    callers = {point: stack.caller() for point in points}
    ids = {point: await _started(stack, callers[point], *point) for point in points}
    _begun.extend(ids.values())
    await asyncio.gather(*(_led(stack, callers[point], run_id) for point, run_id in ids.items()))
    for point, run_id in ids.items():
        run = await seen(callers[point], run_id)
        ends = run, await charged(stack, run)
        _holds(*ends, order=point[0])
        with Redis(port=stack.valkey.port) as redis:
            if not redis.hdel(DIES, run_id):
                _ended[point] = ends


async def _started(stack: Stack, caller: Caller, order: str, point: str) -> str:
    key = uuid.uuid4().hex
    with Redis(port=stack.valkey.port) as redis:
        redis.hset(DIES, run_id_of(caller, key), point)
    return await begin(caller, f"alice-{order}", idempotency=key)


async def _led(stack: Stack, caller: Caller, run_id: str) -> None:
    """To its end; approved when it waits."""

    async def over() -> bool:
        run = await seen(caller, run_id)
        if run["status"] == "waiting":
            answer = await decide(stack.admin, run_id, "approve", idempotency=run_id)
            assert answer.status in (202, 409), answer.body
        return run["status"] in ENDED

    await eventually(over, f"the end of {run_id}", within_s=WITHIN_S, every_s=LOOK_EVERY_S)


def _holds(run: dict[str, Any], amounts: list[int], *, order: str) -> None:
    """What holds of every run, wherever its workers died."""
    assert (run["status"], run["outcome"]) == ("completed", "refunded"), run
    assert amounts == [AMOUNTS[order]]
    assert run["answer"].count(f"{AMOUNTS[order] / 100:.2f} USD") == 1


@pytest.mark.alone
@pytest.mark.timeout(WITHIN_S + 60)
@pytest.mark.parametrize(("order", "point"), POINTS)
async def test_a_run_whose_worker_dies_goes_on_and_is_charged_once(ended: Runs, order: str, point: str) -> None:
    run, amounts = ended[order, point]
    _holds(run, amounts, order=order)
    assert run["deliveries"] >= (1 if point in ("finished", "over") else 2), run
