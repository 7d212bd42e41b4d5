"""A run's hash and its checkpoint do not say the same: Redis or the file forgot, or the run's key was used again."""

from typing import Any

import orjson
from structlog.testing import capture_logs

from service.errors import Declined, StoreUnavailable
from service.tracks.agent_runs import WAITING

from .agent_world import ADMIN, HEADPHONES, KEYBOARD, LAPTOP, World, dropped, run_id


async def test_a_file_that_lost_a_proposal_makes_no_second_one(world: World) -> None:
    await world.asked(1, HEADPHONES)
    assert (await world.runs.decide(run_id(1), "approve", "k", **ADMIN)).what == "ok"
    await world.checkpoints.aclose()
    for file in world.file.parent.glob("checkpoints.sqlite*"):
        file.unlink()
    run = await world.waits(1)
    assert (run.trouble, world.bank.calls, world.model.asked) == ("checkpoints_unusable", 0, 1)
    assert str(world.file) in (run.trouble_detail or "")
    assert str(world.file) not in str(run.shown(approval_within_s=1, to_admin=False))


async def test_an_approval_is_for_the_proposal_that_was_seen(world: World) -> None:
    run = await world.asked(1, HEADPHONES)
    assert run.proposal is not None
    await world.set(1, "proposal", orjson.dumps({**run.proposal, "amount": 100}).decode())
    assert (await world.runs.decide(run_id(1), "approve", "k", **ADMIN)).what == "ok"
    run = await world.waits(1)
    assert (run.trouble, world.bank.calls) == ("checkpoints_unusable", 0)


async def test_a_key_that_is_used_again_when_its_run_is_forgotten_refunds_nothing_twice(world: World) -> None:
    await world.asked(1, KEYBOARD)
    await world.gone(1)
    await world.checkpoints.forget(run_id(1))
    run = await world.asked(1, KEYBOARD)
    assert (run.outcome, world.bank.calls) == ("nothing_left", 1)


async def test_a_decision_that_redis_lost_is_told_again_from_the_checkpoint(world: World) -> None:
    await _decided_and_lost(world)
    run = await world.led(1)
    assert (run.status, run.outcome, run.decision) == ("completed", "refunded", "approve")
    assert run.approver == {"tenant": "ops", "user": "admin"}
    assert await world.runs.older(WAITING, -60) == []


async def test_another_decision_than_the_run_went_on_with_stops_it_in_doubt(world: World) -> None:
    await _decided_and_lost(world)
    assert (await world.runs.decide(run_id(1), "reject", "another", **ADMIN)).what == "ok"
    run = await world.led(1)
    assert (run.status, run.outcome, run.trouble) == ("failed", "gave_up_in_doubt", "decided_otherwise")
    assert await world.left(HEADPHONES) == 0


async def _decided_and_lost(world: World) -> None:
    """A run that was approved and waits for payments; Redis then forgets its last second."""
    run = await world.asked(1, HEADPHONES)
    since = await world.store.execute("ZSCORE", WAITING, run.run_id)
    await world.runs.decide(run_id(1), "approve", "k", **ADMIN)
    world.bank.then = [[dropped()]]
    await world.waits(1)
    key = f"agent:{{{run_id(1)}}}"
    await world.store.execute("HDEL", key, "decision", "decision_key", "approver", "decided_on", "doubt")
    await world.set(1, "status", "waiting")
    await world.store.execute("ZADD", WAITING, since, run_id(1))


async def test_a_key_that_is_used_again_when_its_run_is_forgotten_is_another_payment(world: World) -> None:
    await world.asked(1, f"{LAPTOP}:1000")
    await world.gone(1)
    await world.checkpoints.forget(run_id(1))
    run = await world.asked(1, f"{LAPTOP}:1000")
    assert run.outcome == "refunded"
    assert list(world.bank.paid.values()) == [1_000, 1_000], "the bank paid as often as was told"
    assert await world.left(LAPTOP) == 89_900 - 2_000


async def test_a_run_that_redis_lost_and_that_is_asked_for_again_pays_once(world: World) -> None:
    world.bank.then = [[dropped()]]
    await world.begun(1, f"{LAPTOP}:1000")
    first = await world.waits(1)
    await world.hold_lost(1)
    await world.gone(1)
    run = await world.asked(1, f"{LAPTOP}:1000")
    assert (run.outcome, run.created, run.order) == ("refunded", first.created, first.order)
    assert run.proposal == first.proposal
    assert (world.bank.calls, list(world.bank.paid.values())) == (2, [1_000]), "under one key"


async def test_a_no_after_redis_lost_that_a_payment_began_is_not_believed(world: World) -> None:
    world.bank.then = [[dropped()], [Declined("no")]]
    await world.begun(1, f"{LAPTOP}:1000")
    await world.waits(1)
    await world.gone(1)
    await world.begun(1, f"{LAPTOP}:1000")
    run = await world.waits(1)
    assert (run.outcome, run.doubt) == (None, True)


async def test_a_run_that_waits_and_that_redis_lost_can_be_approved(world: World) -> None:
    first = await world.asked(1, HEADPHONES)
    await world.gone(1)
    run = await world.asked(1, HEADPHONES)
    assert (run.status, run.proposal) == ("waiting", first.proposal)
    assert (await world.runs.decide(run_id(1), "approve", "k", **ADMIN)).what == "ok"
    assert (await world.led(1)).outcome == "refunded"


async def test_a_checkpoint_answers_no_question_but_its_own(world: World) -> None:
    await world.asked(1, f"{LAPTOP}:1000")
    await world.gone(1)
    run = await world.asked(1, KEYBOARD)
    assert (run.outcome, run.order) == ("refunded", "alice-1002")
    assert list(world.bank.paid.values()) == [1_000, 4_999]


async def test_what_another_question_held_is_given_back(world: World) -> None:
    await world.asked(1, f"{LAPTOP}:7000")
    await world.gone(1)
    run = await world.asked(1, f"{LAPTOP}:1000")
    assert (run.outcome, list(world.bank.paid.values())) == ("refunded", [1_000])
    assert await world.left(LAPTOP) == 89_900 - 1_000


async def test_what_another_question_was_paid_stays_spoken_for(world: World) -> None:
    assert (await world.asked(1, f"{LAPTOP}:5000")).outcome == "refunded"
    await world.gone(1)
    await world.paid_forgotten(LAPTOP)
    assert (await world.asked(1, KEYBOARD)).outcome == "refunded"
    assert await world.left(LAPTOP) == 89_900 - 5_000


async def test_what_a_run_was_paid_is_told_to_the_desk_again_where_redis_lost_it(world: World) -> None:
    assert (await world.asked(1, f"{LAPTOP}:5000")).outcome == "refunded"
    await world.gone(1)
    await world.paid_forgotten(LAPTOP)
    assert (await world.asked(1, f"{LAPTOP}:5000")).outcome == "refunded"
    second = await world.asked(2, f"{LAPTOP}:5000")
    assert (second.status, (second.proposal or {})["others"]) == ("waiting", 5_000)
    assert list(world.bank.paid.values()) == [5_000]


async def test_what_is_held_in_doubt_is_anothers_for_a_later_run_of_the_same_key(world: World) -> None:
    world.bank.then = [[dropped()], [dropped()]]
    await world.begun(1, f"{LAPTOP}:5000")
    await world.waits(1)
    await world.set(1, "trouble_since", "1")
    assert (await world.led(1)).outcome == "gave_up_in_doubt"
    await world.gone(1)
    await world.checkpoints.forget(run_id(1))
    again = await world.asked(1, f"{LAPTOP}:500")
    assert again.proposal is not None
    assert (again.status, again.proposal["amount"], again.proposal["others"]) == ("waiting", 500, 5_000)
    assert list(world.bank.paid.values()) == [5_000]


async def test_a_run_whose_first_time_redis_forgot_again_ends_with_it(world: World) -> None:
    world.bank.then = [[dropped()]]
    await world.begun(1, f"{LAPTOP}:1000")
    first = await world.waits(1)
    await world.gone(1)
    await world.begun(1, f"{LAPTOP}:1000")

    async def forgets() -> None:
        await world.set(1, "created_ms", "1")

    world.bank.before = forgets
    run = await world.led(1)
    assert (run.outcome, run.created) == ("refunded", first.created)
    assert await world.left(LAPTOP) == 89_900 - 1_000


async def test_another_question_does_not_take_the_place_of_a_payment_under_way(world: World) -> None:
    world.bank.then = [[dropped()]]
    await world.begun(1, f"{LAPTOP}:1000")
    first = await world.waits(1)
    await world.gone(1)
    finish = world.runs.finish

    async def late(*_: Any, **__: Any) -> None:
        world.runs.finish = finish  # type: ignore[method-assign]
        raise StoreUnavailable("one answer too late")

    world.runs.finish = late  # type: ignore[method-assign]
    await world.begun(1, KEYBOARD)
    await world.waits(1)
    run = await world.led(1)
    assert (run.status, run.outcome, run.trouble) == ("failed", "gave_up_in_doubt", "another_text")
    assert "10.00 USD" in (run.answer or "")
    assert (run.created, world.bank.calls) == (first.created, 1), "the books look for the first one's payment"


async def test_a_run_that_died_before_its_first_step_was_kept_begins_anew(world: World) -> None:
    await world.begun(1, KEYBOARD)
    saver: Any = await world.checkpoints.saver()
    put, kept = saver.aput, list[Any]()

    async def first_only(*given: Any) -> Any:
        if kept:
            raise RuntimeError("dies")
        kept.append(given)
        return await put(*given)

    saver.aput = first_only
    with capture_logs():  # instead of the long text of the defect
        await world.waits(1)
    saver.aput = put
    assert (await world.led(1)).outcome == "refunded"
