"""A worker's runs of the agent: what they pay and what they do not, and what becomes of them when things fail."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from structlog.testing import capture_logs

from service.clock import SystemClock
from service.errors import Declined, GauntletError, InvalidRequest, RateLimitedByProvider
from service.settings import PAYMENTS
from service.tracks import agent_track
from service.tracks.agent_runs import OPEN
from service.tracks.orders import Order, Share
from service.tracks.queue import Later

from .agent_world import ADMIN, HEADPHONES, KEYBOARD, LAPTOP, World, dropped, run_id

FIRST_STEP = 1
"""LangGraph's number of what is kept after it; those before are of the input."""


async def test_a_refund_in_parts_needs_an_approval_once_the_parts_are_above_the_limit(world: World) -> None:
    first = await world.asked(1, f"{LAPTOP}:5000")
    assert (first.status, first.outcome) == ("completed", "refunded")
    second = await world.asked(2, f"{LAPTOP}:5000")
    assert second.status == "waiting"
    assert second.proposal is not None
    assert (second.proposal["amount"], second.proposal["others"]) == (5_000, 5_000)
    small = await world.asked(3, f"{KEYBOARD}:1000")
    assert small.outcome == "refunded", "another order is another matter"
    assert sorted(world.bank.paid.values()) == [1_000, 5_000]


async def test_no_step_searches_whatever_its_route_does_for_questions(world: World) -> None:
    assert (await world.asked(1, f"{KEYBOARD}:1000")).outcome == "refunded"
    assert world.model.asked > 0
    assert not world.model.searches


async def test_a_run_that_is_gone_pays_nothing(world: World) -> None:
    find = world.desk.find

    async def found(tenant: str, user: str, order_id: str) -> Order | None:
        await world.store.execute("DEL", f"agent:{{{run_id(1)}}}")
        return await find(tenant, user, order_id)

    world.desk.find = found  # type: ignore[method-assign]
    await world.begun(1, KEYBOARD)
    with pytest.raises(Later):
        await world.track.step(run_id(1))
    assert world.bank.calls == 0
    assert await world.runs.older(OPEN, -60) == [run_id(1)]
    await world.track.step(run_id(1))
    assert await world.runs.older(OPEN, -60) == [], "it is looked for no more"


async def test_an_approved_refund_is_made(world: World) -> None:
    await world.asked(1, HEADPHONES)
    await world.runs.decide(run_id(1), "approve", "k", **ADMIN)
    run = await world.led(1)
    assert (run.status, run.outcome, run.doubt) == ("completed", "refunded", True)
    assert list(world.bank.paid.values()) == [12_900]
    assert await world.left(HEADPHONES) == 0


def _raises(error: Exception) -> Callable[..., Awaitable[Any]]:
    async def raising(*_: Any) -> Any:
        raise error

    return raising


async def test_a_hold_that_redis_has_lost_is_taken_again_before_and_after_the_payment(world: World) -> None:
    await world.asked(1, HEADPHONES)
    await world.hold_lost(1)
    await world.runs.decide(run_id(1), "approve", "k", **ADMIN)

    async def lost() -> None:
        assert await world.left(HEADPHONES) == 0
        await world.hold_lost(1)

    world.bank.before = lost
    assert (await world.led(1)).outcome == "refunded"
    assert await world.left(HEADPHONES) == 0


async def test_an_order_that_went_to_another_run_meanwhile_is_not_paid_again(world: World) -> None:
    order = await world.order(HEADPHONES)
    await world.asked(1, HEADPHONES)
    await world.hold_lost(1)
    await world.desk.hold(order, "another", None)
    await world.runs.decide(run_id(1), "approve", "k", **ADMIN)
    assert (await world.led(1)).outcome == "nothing_left"
    assert world.bank.calls == 0


async def test_a_hold_that_is_taken_again_counts_against_the_limit_without_an_approval(world: World) -> None:
    hold = world.desk.hold

    async def forgets(order: Order, key: str, wanted: int | None, *, most: int | None = None) -> Share:
        """Redis loses the first run's hold before that pays, and another run comes between."""
        if most is not None:
            world.desk.hold = hold  # type: ignore[method-assign]
            await world.hold_lost(1)
            assert (await world.asked(2, f"{LAPTOP}:5000")).outcome == "refunded"
        return await hold(order, key, wanted, most=most)

    world.desk.hold = forgets  # type: ignore[method-assign]
    first = await world.asked(1, f"{LAPTOP}:5000")
    assert first.proposal is not None
    assert (first.status, first.outcome, first.proposal["needs_approval"]) == ("completed", "overtaken", False)
    assert "nothing was paid" in (first.answer or "")
    assert list(world.bank.paid.values()) == [5_000]
    assert await world.left(LAPTOP) == 89_900 - 5_000


async def test_what_another_was_paid_counts_against_the_limit_of_a_run_that_holds_its_own(world: World) -> None:
    hold = world.desk.hold

    async def late(order: Order, key: str, wanted: int | None, *, most: int | None = None) -> Share:
        """Redis had lost what another held that was paying, and now that tells what it was paid."""
        if most is not None:
            await world.desk.settle(order, "earlier", 5_000)
        return await hold(order, key, wanted, most=most)

    world.desk.hold = late  # type: ignore[method-assign]
    run = await world.asked(1, f"{LAPTOP}:5000")
    assert run.proposal is not None
    assert (run.proposal["others"], run.outcome, world.bank.calls) == (0, "overtaken", 0)
    assert await world.left(LAPTOP) == 89_900 - 5_000


async def test_what_another_was_paid_counts_against_the_price_also_with_an_approval(world: World) -> None:
    await world.asked(1, HEADPHONES)
    await world.desk.settle(await world.order(HEADPHONES), "earlier", 12_900)
    await world.runs.decide(run_id(1), "approve", "k", **ADMIN)
    model = world.model.asked
    assert (await world.led(1)).outcome == "nothing_left"
    assert (world.bank.calls, world.model.asked) == (0, model), "a model has no words for it"


async def test_a_hold_that_came_later_takes_nothing_from_a_run_that_still_has_its_own(world: World) -> None:
    async def later() -> None:
        world.bank.before = None
        assert (await world.asked(2, f"{LAPTOP}:5000")).status == "waiting"

    world.bank.before = later
    world.bank.then = [[RateLimitedByProvider("busy", provider=PAYMENTS)]]
    await world.begun(1, f"{LAPTOP}:5000")
    await world.waits(1)
    assert (await world.led(1)).outcome == "refunded"


async def test_a_run_in_doubt_that_was_overtaken_does_not_say_that_nothing_was_paid(world: World) -> None:
    world.bank.then = [[dropped()]]
    await world.begun(1, f"{LAPTOP}:5000")
    await world.waits(1)
    await world.hold_lost(1)
    await world.desk.hold(await world.order(LAPTOP), "another", 100)
    run = await world.waits(1)
    assert (run.outcome, run.trouble, run.doubt, world.bank.calls) == (None, "order_spoken_for", True, 1)


@pytest.mark.parametrize("final", [Declined("no"), InvalidRequest("what charge?")])
async def test_a_final_no_is_believed_only_where_nothing_can_have_moved_before(world: World, final: Exception) -> None:
    assert isinstance(final, GauntletError)
    world.bank.then = [[dropped(), final], [final]]
    await world.begun(1, KEYBOARD)
    for _ in range(2):
        run = await world.waits(1)
        assert (run.status, run.outcome, run.doubt) == ("running", None, True)
    assert await world.left(KEYBOARD) == 0
    assert (await world.led(1)).outcome == "refunded"
    busy = RateLimitedByProvider("busy", provider=PAYMENTS)
    world.bank.then = [[busy, final]]
    run = await world.asked(2, "1001")
    assert (run.outcome, run.doubt) == ("declined", False)
    assert await world.left("1001") == 1_999


@pytest.mark.parametrize("answer", [{"status": "pending"}, {"amount": 1}, {"currency": "eur"}, {"status": None}])
async def test_an_answer_that_is_not_the_refund_is_no_refund(world: World, answer: dict[str, Any]) -> None:
    world.bank.answer = answer
    await world.begun(1, KEYBOARD)
    run = await world.waits(1)
    assert (run.trouble, run.doubt, run.outcome) == ("refund_unconfirmed", True, None)


async def test_trouble_of_the_file_after_a_step_counts_as_that_steps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = AsyncSqliteSaver.aput

    async def full(saver: AsyncSqliteSaver, *given: Any) -> Any:
        if given[2].get("step", FIRST_STEP) >= FIRST_STEP:
            raise sqlite3.OperationalError("database or disk is full")
        return await keep(saver, *given)

    monkeypatch.setattr(AsyncSqliteSaver, "aput", full)
    monkeypatch.setattr(AsyncSqliteSaver, "aput_writes", full)
    await world.begun(1, KEYBOARD)
    for tries in (1, 2, 3):
        run = await world.waits(1)
        assert run.tries == tries
        assert run.trouble_since is not None
    since = SystemClock().time() - world.settings.retry_within_s - 1
    await world.set(1, "trouble_since", str(since))
    assert (await world.led(1)).outcome == "gave_up"
    assert world.model.asked == 4, "once in each delivery"
    monkeypatch.undo()
    run = await world.asked(2, KEYBOARD)
    assert (run.outcome, run.tries, run.trouble) == ("refunded", 0, None)


async def test_trouble_is_over_once_a_run_waits_for_a_person(world: World) -> None:
    await world.begun(1, HEADPHONES)
    since = str(SystemClock().time())
    await world.set(1, "trouble", "no_provider", "trouble_since", since, "tries", "9", "defects", "1")
    run = await world.led(1)
    assert (run.status, run.trouble, run.trouble_since, run.tries, run.defects) == ("waiting", None, None, 0, 0)


async def test_waits_for_a_dependency_are_no_defects(world: World) -> None:
    await world.begun(1, KEYBOARD)
    world.bank.then = [[dropped()]] * 7
    for _ in range(7):
        run = await world.waits(1)
        await world.set(1, "tries", "2")  # the back-off need not be waited for
    world.bank.before = _raises(RuntimeError("a defect"))
    with capture_logs():  # instead of the long text of each defect
        for defects in range(1, agent_track.MOST_DEFECTS + 1):
            run = await world.waits(1)
            assert (run.defects, run.status, run.outcome) == (defects, "running", None)
        assert (await world.led(1)).outcome == "gave_up_in_doubt"


async def test_a_run_that_was_tried_very_often_is_tried_again(world: World) -> None:
    await world.begun(1, KEYBOARD)
    await world.set(1, "tries", "5000", "trouble_since", str(SystemClock().time()))
    world.without_file()
    run = await world.waits(1)
    assert (run.tries, run.outcome) == (5_001, None)


async def test_one_runs_trouble_with_the_file_is_no_defect_of_its_neighbours(world: World) -> None:
    running, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        running.set()
        await go_on.wait()

    world.bank.before = slow
    neighbour = asyncio.create_task(world.asked(1, KEYBOARD))
    await running.wait()
    saver = await world.checkpoints.saver()
    await world.checkpoints.failed(saver, sqlite3.OperationalError("disk I/O error"))
    fresh = await world.checkpoints.saver()
    await world.checkpoints.failed(saver, sqlite3.OperationalError("disk I/O error"))
    assert await world.checkpoints.saver() is fresh, "opened anew once"
    go_on.set()
    with pytest.raises(Later):
        await neighbour
    run = await world.now(1)
    assert (run.trouble, run.defects) == ("checkpoints_unusable", 0)
    world.bank.before = None
    assert (await world.led(1)).outcome == "refunded"
