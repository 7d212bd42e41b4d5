"""The agent track with real processes: below the limit, above it, refused; who may see and decide what."""

from collections.abc import AsyncIterator, Iterator

import pytest

from ..stack import Stack
from . import agent
from .agent import ABOVE, BELOW, begin, charges, decide, until


@pytest.fixture(scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("agent")
    stack = Stack.start(folder, toml=agent.settings(), env=agent.checkpoints(folder), worker=2)
    yield stack
    stack.end()


@pytest.fixture
async def stack(_stack: Stack) -> AsyncIterator[Stack]:
    async with _stack:
        await _stack.reset()
        yield _stack


async def test_a_refund_below_the_limit_is_made_at_once(stack: Stack) -> None:
    alice = stack.caller()
    run = await until(alice, await begin(alice, f"alice-{BELOW}"), "completed")
    assert run["outcome"] == "refunded"
    assert "49.99 USD" in run["answer"]
    assert run["proposal"]["amount"] == 4999
    assert not run["proposal"]["needs_approval"]
    assert [step["step"] for step in run["steps"]] == [
        "understand", "look_up", "propose", "approve", "execute", "tell"
    ]  # fmt: skip
    assert await charges(stack) == [4999]


async def test_a_refund_above_it_waits_and_is_made_once_approved(stack: Stack) -> None:
    alice = stack.caller()
    run_id = await begin(alice, f"alice-{ABOVE}")
    run = await until(alice, run_id, "waiting")
    assert run["proposal"]["amount"] == 12_900
    assert run["proposal"]["needs_approval"]
    assert await charges(stack) == []
    answer = await decide(stack.admin, run_id, "approve")
    assert answer.status == 202, answer.body
    run = await until(alice, run_id, "completed")
    assert (run["outcome"], run["approver"]) == ("refunded", {"tenant": "ops", "user": "admin"})
    assert await charges(stack) == [12_900]
