"""A run's end is told and what it held given back, whatever is lost on the way; and no run is lost itself."""

import pytest
from structlog.testing import capture_logs

from service.clock import SystemClock
from service.errors import Declined, StoreUnavailable
from service.observability import names
from service.tracks import agent_runs, agent_sweep
from service.tracks.agent_held import Held
from service.tracks.agent_record import Run, charge_key
from service.tracks.agent_runs import ALL, OPEN, STEP, WAITING, Taken
from service.tracks.orders import Order, Share
from service.tracks.queue import Keys, lane_of

from .agent_world import ADMIN, HEADPHONES, KEYBOARD, World, run_id

LANE = lane_of(STEP)


async def test_an_end_that_was_not_told_is_told_with_the_next_delivery(world: World) -> None:
    world.told.late = 1
    await world.begun(1, KEYBOARD)
    run = await world.waits(1)
    assert (run.status, world.told.events) == ("completed", [])
    assert await world.runs.older(OPEN, -60) == [run_id(1)], "the sweep would find it"
    await world.led(1)
    assert world.told.events == ["agent.completed"]
    assert await world.runs.older(OPEN, -60) == []


async def test_an_end_whose_answer_was_lost_is_in_the_books(world: World) -> None:
    find = world.runs.find
    lost: list[Run] = []

    async def late(run_id: str) -> Run | None:
        found = await find(run_id)
        if found is not None and found.ended and not lost:
            lost.append(found)
            raise StoreUnavailable("one answer too late")
        return found

    world.runs.find = late  # type: ignore[method-assign]
    await world.begun(1, KEYBOARD)
    with capture_logs() as logs:
        await world.waits(1)
        assert not any(line["event"] == names.AGENT_EVENT for line in logs)
        await world.led(1)
    assert [line["run_id"] for line in logs if line["event"] == names.AGENT_EVENT] == [run_id(1)]


async def _about_to_give_up(world: World) -> None:
    """A run that holds what it proposes, and for too long could not tell of it."""
    note = world.runs.note

    async def late(taken: Taken, **fields: str) -> None:
        if "proposal" in fields:
            raise StoreUnavailable("one answer too late")
        await note(taken, **fields)

    world.runs.note = late  # type: ignore[method-assign]
    await world.begun(1, HEADPHONES)
    run = await world.waits(1)
    assert (run.proposal, await world.left(HEADPHONES)) == (None, 0)
    await world.set(1, "trouble_since", "1")


async def test_a_giving_up_that_was_not_told_is_told_with_the_next_delivery(world: World) -> None:
    await _about_to_give_up(world)
    world.told.late = 1
    assert (await world.waits(1)).outcome == "gave_up"
    await world.led(1)
    assert world.told.events == ["agent.completed"]
    assert await world.left(HEADPHONES) == 12_900


async def test_a_task_whose_run_was_taken_over_comes_again(world: World) -> None:
    async def taken_over() -> None:
        await world.set(1, "held_until", "0")
        assert isinstance(await world.runs.take(run_id(1)), Taken)

    world.bank.before = taken_over
    await world.begun(1, KEYBOARD)
    assert (await world.waits(1)).status == "running"
    world.bank.before = None
    await world.waits(1)  # the other holds it
    await world.set(1, "held_until", "0")  # and dies
    assert (await world.led(1)).outcome == "refunded"
    assert len(world.bank.paid) == 1


async def test_what_a_run_that_was_given_up_held_is_given_back_after_its_end_alone(world: World) -> None:
    order = await world.order(HEADPHONES)
    await world.asked(1, HEADPHONES)
    taken = await world.runs.take(run_id(1))
    released: list[str] = []
    release = world.desk.release

    async def noted(order: Order, key: str) -> None:
        released.append((await world.now(1)).status)
        await release(order, key)

    world.desk.release = noted  # type: ignore[method-assign]
    assert isinstance(taken, Taken)
    held = Held(taken, world.runs, lease_s=4, clock=SystemClock())
    held.has_read = True
    await world.track._give_up(held, "odd")
    assert released == ["failed"]
    assert (await world.desk.hold(order, "another", None)).amount == 12_900


async def test_what_was_held_and_never_told_is_given_back_with_the_run(world: World) -> None:
    await _about_to_give_up(world)
    run = await world.led(1)
    assert (run.outcome, run.order) == ("gave_up", "alice-1003")
    assert "nothing was paid" in (run.answer or "")
    assert await world.left(HEADPHONES) == 12_900


async def test_where_a_checkpoint_cannot_be_read_money_may_have_moved_whatever_redis_remembers(world: World) -> None:
    await world.asked(1, HEADPHONES)
    await world.runs.decide(run_id(1), "approve", "k", **ADMIN)
    await world.begun(2, KEYBOARD)
    world.without_file()
    for n, words in ((1, "129.00 USD"), (2, "whether a refund was made")):
        await world.set(n, "trouble_since", "1")
        run = await world.led(n)
        assert (run.status, run.outcome) == ("failed", "gave_up_in_doubt")
        assert words in (run.answer or "")
        assert "nothing was paid" not in (run.answer or "")
    assert await world.left(HEADPHONES) == 0


async def test_what_a_late_worker_holds_for_a_run_that_has_ended_is_given_back(world: World) -> None:
    hold = world.desk.hold

    async def late(order: Order, key: str, wanted: int | None, *, most: int | None = None) -> Share:
        """It is stopped before, and wakes up when another has led the run to its end."""
        world.desk.hold = hold  # type: ignore[method-assign]
        world.bank.then = [[Declined("no")]]
        assert (await world.led_by_another(1)).outcome == "declined"
        share = await hold(order, key, wanted, most=most)
        assert await world.left(KEYBOARD) == 0
        return share

    world.desk.hold = late  # type: ignore[method-assign]
    await world.begun(1, KEYBOARD)
    assert (await world.waits(1)).outcome == "declined"
    assert await world.left(KEYBOARD) == 4_999


async def test_what_is_held_for_a_run_that_has_ended_is_given_back_when_its_end_is_told_again(world: World) -> None:
    await world.asked(1, HEADPHONES)
    await world.runs.decide(run_id(1), "reject", "k", **ADMIN)
    run = await world.led(1)
    await world.desk.hold(await world.order(HEADPHONES), charge_key(run.run_id, run.created), None)
    await world.led(1)
    assert await world.left(HEADPHONES) == 12_900


async def test_the_sweep_moves_what_no_longer_waits_to_what_has_to_go_on(world: World) -> None:
    await world.asked(1, HEADPHONES)
    await world.runs.decide(run_id(1), "approve", "k", **ADMIN)
    await world.store.execute("ZREM", OPEN, run_id(1))
    await world.store.execute("ZADD", WAITING, 1, run_id(1), 1, run_id(2))
    await world.sweep.once()
    assert (await world.runs.older(WAITING, -60), await world.runs.older(OPEN, -60)) == ([], [run_id(1)])
    assert world.sweep.waiting == (0, 0.0)


@pytest.mark.parametrize("kept", ["data without an entry", "nothing"])
async def test_a_run_without_a_task_is_put_again_within_seconds_each_time(world: World, kept: str) -> None:
    keys = Keys(LANE)
    await world.begun(1, KEYBOARD)
    await world.queue.put(STEP, run_id(1), run_id(1))
    for _ in range(2):
        await world.store.execute("DEL", keys.stream, *([keys.data(run_id(1))] if kept == "nothing" else []))
        await world.sweep.once()
        assert (await world.queue.depth(LANE)).waiting == 0, "it is not missed yet"
        await world.runs.put_off([run_id(1)], -3 * (1.0 + world.settings.lease_s) - 0.1)
        await world.sweep.once()
        assert (await world.queue.depth(LANE)).waiting == 1
        await world.sweep.once()
        assert (await world.queue.depth(LANE)).waiting == 1


async def test_a_run_that_waits_for_its_next_try_is_not_missed_before(world: World) -> None:
    await world.begun(1, KEYBOARD)
    taken = await world.runs.take(run_id(1))
    assert isinstance(taken, Taken)
    await world.runs.let_go(taken, 30.0)
    assert await world.runs.older(OPEN, -29) == []
    assert await world.runs.older(OPEN, -31) == [run_id(1)]


async def test_old_runs_that_live_are_passed_over_and_those_that_are_gone_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (agent_runs, agent_sweep):
        monkeypatch.setattr(module, "MANY", 2)
    monkeypatch.setattr(agent_sweep, "OLD_EVERY", 1)
    for n in range(5):
        await world.begun(n, KEYBOARD)
        await world.store.execute("ZADD", ALL, 1 + n, run_id(n))
    await world.gone(1)
    await world.gone(4)
    for left in ([0, 2, 3, 4], [0, 2, 3, 4], [0, 2, 3]):
        await world.sweep.once()
        assert await world.store.execute("ZRANGE", ALL, 0, -1) == [run_id(n).encode() for n in left]
