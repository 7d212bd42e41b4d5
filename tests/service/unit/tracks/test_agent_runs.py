"""A run's changes are one step each: who holds it, who decides, and what an old holder may still do (nothing)."""

import asyncio

import pytest

from service.clock import SystemClock
from service.errors import Unprocessable
from service.gateway.auth import Caller
from service.settings import AgentSettings
from service.store.guard import Store
from service.tracks.agent_record import Run
from service.tracks.agent_runs import OPEN, WAITING, Lost, Runs, Taken

ALICE = Caller("acme", "alice")
RUN = "run_" + "0" * 32


@pytest.fixture
async def runs(store: Store) -> Runs:
    made = Runs(AgentSettings(lease_s=0.2, approval_within_s=30), store=store, clock=SystemClock())
    await made.create(RUN, ALICE, text="x", route="default")
    return made


async def taken(runs: Runs) -> Taken:
    found = await runs.take(RUN)
    assert isinstance(found, Taken), found
    return found


async def waiting(runs: Runs) -> Run:
    assert await runs.wait(await taken(runs), proposal="{}")
    run = await runs.find(RUN)
    assert run is not None
    assert run.status == "waiting"
    return run


async def test_a_run_is_made_once_and_is_in_its_owners_list(runs: Runs) -> None:
    await runs.create(RUN, ALICE, text="x", route="default")
    with pytest.raises(Unprocessable, match="another text"):
        await runs.create(RUN, ALICE, text="another", route="default")
    (run,) = await runs.listed(ALICE)
    assert (run.text, run.status, run.deliveries) == ("x", "queued", 0)
    assert await runs.listed(Caller("acme", "bob")) == []
    assert [r.run_id for r in await runs.listed(Caller("ops", "admin", admin=True))] == [RUN]
    assert await runs.listed(ALICE, status="waiting") == []


async def test_one_worker_holds_it_until_its_lease_has_run_out(runs: Runs) -> None:
    first = await taken(runs)
    assert (first.fence, first.run.status) == (1, "running")
    left_s = await runs.take(RUN)
    assert isinstance(left_s, float)
    assert 0 < left_s <= 0.2
    await asyncio.sleep(left_s + 0.05)
    second = await taken(runs)
    assert second.fence == 2
    for late in (
        runs.hold(first),
        runs.note(first, answer="x"),
        runs.let_go(first),
        runs.finish(first),
        runs.wait(first),
    ):
        with pytest.raises(Lost):
            await late
    run = await runs.find(RUN)
    assert run is not None
    assert (run.answer, run.status) == (None, "running")
    await runs.hold(second)


async def test_nobody_holds_a_run_that_is_gone(runs: Runs, store: Store) -> None:
    holder = await taken(runs)
    await store.execute("DEL", f"agent:{{{RUN}}}")
    for late in (runs.hold(holder), runs.note(holder), runs.let_go(holder), runs.finish(holder), runs.wait(holder)):
        with pytest.raises(Lost):
            await late
    assert await runs.take(RUN) is None
    assert await store.execute("EXISTS", f"agent:{{{RUN}}}") == 0


async def test_a_number_that_redis_gives_twice_is_not_taken_for_ours(runs: Runs, store: Store) -> None:
    key = f"agent:{{{RUN}}}"
    first = await taken(runs)
    await store.execute("HSET", key, "deliveries", "0", "held_until", "0")  # its last second is lost
    second = await taken(runs)
    assert (first.fence, second.fence) == (1, 1)
    with pytest.raises(Lost):
        await runs.hold(first)
    await runs.hold(second)


async def test_a_decision_whose_taker_dies_right_after_it_is_found_by_the_sweep(runs: Runs, store: Store) -> None:
    await waiting(runs)
    assert await runs.older(OPEN, -60) == []

    def dies(*_: object) -> None:
        raise ProcessLookupError

    runs.reopen = dies  # type: ignore[method-assign, assignment]
    with pytest.raises(ProcessLookupError):
        await runs.decide(RUN, "approve", "k")
    assert await runs.older(OPEN, -60) == [RUN]


async def test_who_waits_longest_is_shown_first_to_whoever_decides(runs: Runs) -> None:
    ids = [f"run_{n:032x}" for n in range(1, 4)]
    for run_id in ids:
        await runs.create(run_id, ALICE, text="x", route="default")
        held = await runs.take(run_id)
        assert isinstance(held, Taken)
        assert await runs.wait(held, proposal="{}")
    admin = Caller("ops", "admin", admin=True)
    assert [run.run_id for run in await runs.listed(admin, status="waiting", most=2)] == ids[:2]
    assert [run.run_id for run in await runs.listed(admin, most=2)] == ids[:0:-1]
    assert [run.run_id for run in await runs.listed(ALICE, status="queued", most=2)] == [RUN]


async def test_nothing_changes_a_run_that_has_ended(runs: Runs) -> None:
    holder = await taken(runs)
    await runs.finish(holder, status="completed", outcome="refunded")
    assert await runs.older(OPEN, -60) == [RUN], "until its end is told"
    for late in (runs.hold(holder), runs.note(holder), runs.finish(holder, status="failed"), runs.wait(holder)):
        with pytest.raises(Lost):
            await late
    ended = await runs.take(RUN)
    assert isinstance(ended, Run)
    assert (ended.status, ended.outcome) == ("completed", "refunded")
    assert (await runs.decide(RUN, "approve", "k")).what == "refused"


async def test_of_many_decisions_at_once_one_counts_and_its_repetition_is_known(runs: Runs) -> None:
    await waiting(runs)
    verdicts = await asyncio.gather(*(runs.decide(RUN, "approve", f"key{n}") for n in range(20)))
    assert sorted(v.what for v in verdicts) == ["ok"] + ["refused"] * 19
    won = [v.what for v in verdicts].index("ok")
    assert (await runs.decide(RUN, "approve", f"key{won}")).what == "again"
    for another in (await runs.decide(RUN, "reject", f"key{won}"), await runs.decide(RUN, "reject", "another")):
        assert (another.what, another.status) == ("refused", "resuming")
    assert await runs.older(WAITING, -60) == []
    assert await runs.waiting() == (0, 0.0)


async def test_a_run_that_was_decided_does_not_wait_again(runs: Runs) -> None:
    await waiting(runs)
    assert (await runs.decide(RUN, "reject", "k", approver='{"tenant": "ops", "user": "admin"}')).what == "ok"
    holder = await taken(runs)
    assert holder.run.decision == "reject"
    assert holder.run.approver == {"tenant": "ops", "user": "admin"}
    assert not await runs.wait(holder)
    await runs.hold(holder)


async def test_nothing_is_decided_before_it_waits_nor_after_its_time(runs: Runs, store: Store) -> None:
    assert (await runs.decide(RUN, "approve", "k")).status == "queued"
    await waiting(runs)
    assert (await runs.decide(RUN, "expired", "x")).what == "refused", "it is not late"
    await store.execute("HINCRBY", f"agent:{{{RUN}}}", "waiting_since_ms", -31_000)
    assert (await runs.decide(RUN, "approve", "k")).what == "late"
    assert (await runs.decide(RUN, "expired", "x")).what == "ok"
    assert (await runs.decide(RUN, "approve", "k")).what == "refused"
    assert (await runs.decide("run_" + "1" * 32, "approve", "k")).what == "gone"


async def test_the_first_wait_counts_however_often_it_is_told(runs: Runs) -> None:
    since = (await waiting(runs)).waiting_since
    count, _ = await runs.waiting()
    assert count == 1
    assert (await waiting(runs)).waiting_since == since
