"""What the agent needs dies, hangs or lies: no run is lost, and no refund is made twice or without approval."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis

from ..stack import Stack
from ..waiting import eventually
from . import agent
from .agent import ABOVE, BELOW, begin, charged, charges, decide, seen, until
from .refusals import problem

TERSE = """
[routes.terse]
max_tokens = 5
[[routes.terse.rungs]]
provider = "anthropic"
model = "claude-opus-4-7"
"""
"""A model that breaks off in the middle of what it was to say."""


@pytest.fixture(scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("agent-deaths")
    settings = agent.settings(f"approval_within_s = 600\n{TERSE}")
    stack = Stack.start(folder, toml=settings, env=agent.checkpoints(folder), worker=2)
    yield stack
    stack.end()


@pytest.fixture
async def stack(_stack: Stack) -> AsyncIterator[Stack]:
    async with _stack:
        await _stack.reset()
        yield _stack


def file_of(stack: Stack) -> Path:
    return stack.folder / "agent" / "checkpoints.sqlite"


def newest_checkpoint(stack: Stack, run_id: str) -> str:
    with sqlite3.connect(file_of(stack)) as there:
        rows = there.execute("select max(checkpoint_id) from checkpoints where thread_id = ?", (run_id,))
        newest: str = rows.fetchone()[0]
        return newest


async def test_payments_that_are_down_are_waited_for(stack: Stack) -> None:
    alice = stack.caller()
    await stack.sim.fault("payments", "refused")
    run_id = await begin(alice, f"alice-{BELOW}")

    async def waits() -> bool:
        run = await seen(alice, run_id)
        return bool(run["trouble"]) and run["steps"][-1]["step"] == "execute"

    await eventually(waits, "a run that waits for payments", within_s=30)
    assert await charges(stack) == []
    await stack.sim.heal()
    run = await until(alice, run_id, "completed")
    assert (run["outcome"], run["trouble"]) == ("refunded", None)
    assert await charges(stack) == [4_999]


async def test_a_no_after_money_that_moved_unseen_is_not_believed(stack: Stack) -> None:
    alice = stack.caller()
    await stack.sim.fault("payments", "charge_then_drop", times=1)
    await stack.sim.fault("payments", "status", status=404)
    run_id = await begin(alice, f"alice-{BELOW}")

    async def waits() -> bool:
        return bool((await seen(alice, run_id))["trouble"] == "invalid_request")

    await eventually(waits, "a run that waits for payments", within_s=30)
    await stack.sim.heal()
    assert (await until(alice, run_id, "completed"))["outcome"] == "refunded"
    assert await charges(stack) == [4_999]


async def test_providers_that_are_down_are_waited_for_but_never_after_the_money_moved(stack: Stack) -> None:
    alice = stack.caller()
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "refused")
    run_id = await begin(alice, f"alice-{ABOVE}")

    async def waits() -> bool:
        return bool((await seen(alice, run_id))["trouble"] == "no_provider")

    await eventually(waits, "a run that waits for a provider", within_s=30)
    await stack.sim.heal()
    await stack.close_breakers()
    await until(alice, run_id, "waiting")
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "refused")
    assert (await decide(stack.admin, run_id, "approve")).status == 202
    run = await until(alice, run_id, "completed")
    assert run["answer"] == "The refund of 129.00 USD for order alice-1003 (headphones) has been made."
    assert await charges(stack) == [12_900]


async def test_a_model_that_makes_no_sense_ends_politely(stack: Stack) -> None:
    alice = stack.caller()
    run = await until(alice, await begin(alice, f"alice-{BELOW}", route="terse"), "completed")
    assert run["outcome"] == "not_understood"
    assert [row["model"] for row in await stack.sim.calls()] == ["claude-opus-4-7"] * 2, "asked once more"
    assert await charges(stack) == []


async def test_redis_killed_while_a_run_waits_loses_neither_run_nor_decision(stack: Stack) -> None:
    alice = stack.caller()
    run_id = await begin(alice, f"alice-{ABOVE}")
    await until(alice, run_id, "waiting")
    with Redis(port=stack.valkey.port) as redis:
        redis.execute_command("WAITAOF", 1, 0, 5000)
    stack.valkey.kill()
    problem(await decide(stack.admin, run_id, "approve", idempotency=run_id), 503)
    stack.valkey.start()

    async def taken() -> bool:
        return (await decide(stack.admin, run_id, "approve", idempotency=run_id)).status == 202

    await eventually(taken, "a decision that is taken", within_s=30)
    run = await until(alice, run_id, "completed")
    assert run["outcome"] == "refunded"
    assert await charges(stack) == [12_900]


async def test_a_worker_that_was_stopped_changes_nothing_when_it_wakes_up_late(stack: Stack) -> None:
    alice = stack.caller()
    owner, other = stack.work
    other.stop()
    await stack.sim.fault("payments", "slow_first_token", times=1, delay_ms=1_500)
    run_id = await begin(alice, f"alice-{BELOW}")

    async def pays() -> bool:
        return any(row["target"] == "payments" for row in await stack.sim.calls())

    try:
        await eventually(pays, "a call to payments")
        owner.stop()
        other.go_on()
        run = await until(alice, run_id, "completed")
        last = newest_checkpoint(stack, run_id)
    finally:
        other.go_on()
        owner.go_on()
    assert run["deliveries"] >= 2

    async def knows() -> bool:
        by_us = owner.lines(event="agent_run_taken_over", run_id=run_id)
        return bool(by_us or owner.lines(event="task_taken_over", task_id=run_id))

    await eventually(knows, "the late worker's insight")
    assert await seen(alice, run_id) == run
    assert await charged(stack, run) == [4_999]
    assert newest_checkpoint(stack, run_id) == last


async def test_a_checkpoint_file_that_another_program_holds_is_waited_for_and_named(stack: Stack) -> None:
    alice = stack.caller()
    await until(alice, await begin(alice, "alice-1001"), "completed")
    holder = sqlite3.connect(file_of(stack), isolation_level=None)
    holder.execute("begin exclusive")
    try:
        run_id = await begin(alice, f"alice-{BELOW}")

        async def named() -> bool:
            return "agent.checkpoints" in ((await seen(stack.admin, run_id))["trouble_detail"] or "")

        await eventually(named, "the reason", within_s=40)
        told = await seen(alice, run_id)
        assert (told["trouble"], "trouble_detail" in told) == ("checkpoints_unusable", False)
    finally:
        holder.execute("rollback")
        holder.close()
    run = await until(alice, run_id, "completed")
    assert (run["outcome"], run["trouble"]) == ("refunded", None)


async def test_a_run_whose_approval_comes_too_late_is_rejected_and_says_so(stack: Stack) -> None:
    alice = stack.caller()
    run_id = await begin(alice, f"alice-{ABOVE}")
    await until(alice, run_id, "waiting")
    with Redis(port=stack.valkey.port) as redis:  # a day has passed
        redis.hincrby(f"agent:{{{run_id}}}", "waiting_since_ms", -601_000)
        redis.zincrby("agents:{waiting}", -601, run_id)
    problem(await decide(stack.admin, run_id, "approve"), 409)
    run = await until(alice, run_id, "rejected")
    assert (run["outcome"], run["decision"]) == ("expired", "expired")
    assert await charges(stack) == []
    document = problem(await decide(stack.admin, run_id, "approve"), 409)
    assert document["run_status"] == "rejected"


async def test_a_run_that_the_queue_has_lost_is_taken_up_again(stack: Stack) -> None:
    alice = stack.caller()
    await stack.sim.fault("payments", "refused")
    run_id = await begin(alice, f"alice-{BELOW}")

    async def waits() -> bool:
        return bool((await seen(alice, run_id))["trouble"])

    await eventually(waits, "a run that waits", within_s=30)
    with Redis(port=stack.valkey.port) as redis:
        for name in redis.scan_iter(match="streaq:{jobs}:agent:*"):
            if redis.type(name) in (b"zset", b"string", b"hash"):
                redis.delete(name)
        redis.zadd("agents:{open}", {run_id: 1})
    await stack.sim.heal()
    assert (await until(alice, run_id, "completed"))["outcome"] == "refunded"


async def test_a_run_that_is_gone_is_not_found(stack: Stack) -> None:
    alice = stack.caller()
    run_id = await begin(alice, f"alice-{ABOVE}")
    await until(alice, run_id, "waiting")
    with Redis(port=stack.valkey.port) as redis:
        redis.delete(f"agent:{{{run_id}}}")
    document = problem(await decide(stack.admin, run_id, "approve"), 404)
    assert "kept for 7 days" in document["detail"]
