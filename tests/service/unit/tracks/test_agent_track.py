"""A worker's runs of the agent, with a real Valkey and a real file: what becomes of them when these forget or fail."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from structlog.testing import capture_logs

from service.clock import SystemClock
from service.errors import ConnectionFailed, Declined, GauntletError, InvalidRequest, RateLimitedByProvider
from service.gateway.auth import Caller
from service.llm.routes import Route, Rung
from service.own_work import Steps
from service.settings import PAYMENTS, AgentSettings
from service.stages.ask import Ask, Reply
from service.store.guard import Store
from service.tracks import agent_track
from service.tracks.agent_held import Held
from service.tracks.agent_record import Run
from service.tracks.agent_runs import OPEN, WAITING, Runs, Taken
from service.tracks.agent_steps import Tools
from service.tracks.agent_sweep import Sweep
from service.tracks.agent_track import AgentTrack
from service.tracks.checkpoints import Checkpoints
from service.tracks.orders import Order, WorkbenchOrders
from service.tracks.queue import Later, Queue
from service.tracks.work import Work

ALICE = Caller("acme", "alice")
ADMIN = {"approver": '{"tenant": "ops", "user": "admin"}'}
FIRST_STEP = 1
"""LangGraph's number of what is kept after it; those before are of the input."""
LAPTOP, HEADPHONES, KEYBOARD = "1004", "1003", "1002"
Effect = Callable[[], Awaitable[None]]


def run_id(n: int) -> str:
    return f"run_{n:032x}"


class Model:
    """Understands ``order`` or ``order:cents``, and tells what it was told to tell."""

    def __init__(self) -> None:
        self.asked = 0
        self.searches = False

    async def __call__(self, ask: Ask) -> Reply:
        self.asked += 1
        self.searches |= ask.route.retrieval
        order, _, cents = ask.messages[-1].content.partition(":")
        understood = {"wants_refund": True, "order": order, "amount": int(cents) if cents else None, "reason": "broken"}
        return Reply(source="live", provider="anthropic", model="m", text=orjson.dumps(understood).decode())


class Bank:
    """Pays once for each key; ``then`` are the attempts that end otherwise, one list for each call of the chain."""

    def __init__(self) -> None:
        self.paid: dict[str, int] = {}
        self.calls = 0
        self.then: list[list[GauntletError]] = []
        self.answer: dict[str, Any] = {}
        self.before: Effect | None = None

    async def __call__(self, ask: Ask) -> Reply:
        self.calls += 1
        if self.before is not None:
            await self.before()
        wrong = self.then.pop(0) if self.then else []
        for error in wrong:
            ask.attempt().status = error.code
        key, body = ask.payload
        given = orjson.loads(body)
        if any(isinstance(error, ConnectionFailed) for error in wrong):  # the money moves, then the connection drops
            self.paid[key] = given["amount"]
        if wrong:
            raise wrong[-1]
        ask.attempt().status = "ok"
        self.paid[key] = given["amount"]
        answer = {"id": "re_1", "status": "succeeded", **given, **self.answer}
        return Reply(source="live", provider=PAYMENTS, model=None, text=orjson.dumps(answer).decode())


class Told:
    """Stands for webhooks and telemetry."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def agent_run(self, outcome: str) -> None:
        self.outcomes.append(outcome)


class Off:
    off = frozenset[str]()


class World:
    def __init__(self, store: Store, folder: Path) -> None:
        clock = SystemClock()
        self.store, self.file = store, folder / "checkpoints.sqlite"
        self.settings = AgentSettings(retry_s=0.01, checkpoints=f"sqlite:{self.file}")
        self.runs, self.desk = Runs(self.settings, store=store, clock=clock), WorkbenchOrders(store)
        self.model, self.bank, self.told = Model(), Bank(), Told()
        self.checkpoints = Checkpoints(self.settings.checkpoints)
        tools = Tools(
            chain=self.model,
            payments=self.bank,
            work=Work(Steps(lambda context: None, captures=False, clock=clock)),
            desk=self.desk,
            routes={"default": Route("default", (Rung("anthropic", "m"),), "error", 5.0, 100, retrieval=True)},
            default_route="default",
            payments_deadline_s=5.0,
            approval_above=self.settings.approval_above,
            switches=Off(),  # type: ignore[arg-type]
            clock=clock,
        )
        self.track = AgentTrack(
            self.settings,
            runs=self.runs,
            tools=tools,
            checkpoints=self.checkpoints,
            queue=Queue(store),
            webhooks=self.told,  # type: ignore[arg-type]
            telemetry=self.told,  # type: ignore[arg-type]
            pseudonym_key="k",
            clock=clock,
        )

    async def asked(self, n: int, text: str) -> Run:
        """A run with these words, led as far as it goes at once."""
        await self.runs.create(run_id(n), ALICE, text=text, route="default")
        return await self.led(n)

    async def led(self, n: int) -> Run:
        """Once more."""
        await self.track.step(run_id(n))
        return await self.now(n)

    async def now(self, n: int) -> Run:
        run = await self.runs.find(run_id(n))
        assert run is not None
        return run

    async def waits(self, n: int) -> Run:
        """Once more; it has to wait for something."""
        with pytest.raises(Later):
            await self.track.step(run_id(n))
        return await self.now(n)

    async def set(self, n: int, *fields: str) -> None:
        await self.store.execute("HSET", f"agent:{{{run_id(n)}}}", *fields)

    async def order(self, number: str) -> Order:
        found = await self.desk.find(ALICE.tenant, ALICE.user, number)
        assert found is not None
        return found

    async def left(self, number: str) -> int:
        """What another run would get of an order."""
        order = await self.order(number)
        share = await self.desk.hold(order, "another", None)
        await self.desk.release(order, "another")
        return share.amount


@pytest.fixture
async def world(store: Store, tmp_path: Path) -> AsyncIterator[World]:
    made = World(store, tmp_path)
    yield made
    await made.checkpoints.aclose()


def dropped() -> GauntletError:
    return ConnectionFailed("dropped", provider=PAYMENTS)


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
    await world.runs.create(run_id(1), ALICE, text=KEYBOARD, route="default")
    await world.track.step(run_id(1))
    assert world.bank.calls == 0
    assert await world.runs.older(OPEN, -60) == [run_id(1)]
    await world.track.step(run_id(1))
    assert await world.runs.older(OPEN, -60) == [], "it is looked for no more"


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


async def test_an_approved_refund_is_made(world: World) -> None:
    await world.asked(1, HEADPHONES)
    await world.runs.decide(run_id(1), "approve", "k", **ADMIN)
    run = await world.led(1)
    assert (run.status, run.outcome, run.doubt) == ("completed", "refunded", True)
    assert list(world.bank.paid.values()) == [12_900]
    assert await world.left(HEADPHONES) == 0


async def test_what_a_run_that_was_given_up_held_is_given_back_after_its_end_alone(world: World) -> None:
    order = await world.order(HEADPHONES)
    await world.asked(1, HEADPHONES)
    taken = await world.runs.take(run_id(1))
    released: list[str] = []
    release = world.desk.release

    async def noted(order: Order, run_id: str) -> None:
        released.append((await world.now(1)).status)
        await release(order, run_id)

    world.desk.release = noted  # type: ignore[method-assign]
    assert isinstance(taken, Taken)
    held = Held(taken, world.runs, lease_s=4, clock=SystemClock())
    await world.track._give_up(held, "odd")
    assert released == ["failed"]
    assert (await world.desk.hold(order, "another", None)).amount == 12_900


def _raises(error: Exception) -> Callable[..., Awaitable[Any]]:
    async def raising(*_: Any) -> Any:
        raise error

    return raising


async def test_a_key_that_is_used_again_when_its_run_is_forgotten_refunds_nothing_twice(world: World) -> None:
    await world.asked(1, KEYBOARD)
    await world.store.execute("DEL", f"agent:{{{run_id(1)}}}")
    await world.checkpoints.forget(run_id(1))
    run = await world.asked(1, KEYBOARD)
    assert (run.outcome, world.bank.calls) == ("nothing_left", 1)


async def test_a_hold_that_redis_has_lost_is_taken_again_before_and_after_the_payment(world: World) -> None:
    order = await world.order(HEADPHONES)
    await world.asked(1, HEADPHONES)
    await world.desk.release(order, run_id(1))
    await world.runs.decide(run_id(1), "approve", "k", **ADMIN)

    async def lost() -> None:
        assert (await world.desk.hold(order, "another", None)).amount == 0
        await world.desk.release(order, run_id(1))

    world.bank.before = lost
    assert (await world.led(1)).outcome == "refunded"
    assert await world.left(HEADPHONES) == 0


async def test_an_order_that_went_to_another_run_meanwhile_is_not_paid_again(world: World) -> None:
    order = await world.order(HEADPHONES)
    await world.asked(1, HEADPHONES)
    await world.desk.release(order, run_id(1))
    await world.desk.hold(order, "another", None)
    await world.runs.decide(run_id(1), "approve", "k", **ADMIN)
    assert (await world.led(1)).outcome == "nothing_left"
    assert world.bank.calls == 0


@pytest.mark.parametrize("final", [Declined("no"), InvalidRequest("what charge?")])
async def test_a_final_no_is_believed_only_where_nothing_can_have_moved_before(world: World, final: Exception) -> None:
    assert isinstance(final, GauntletError)
    world.bank.then = [[dropped(), final], [final]]
    await world.runs.create(run_id(1), ALICE, text=KEYBOARD, route="default")
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
    await world.runs.create(run_id(1), ALICE, text=KEYBOARD, route="default")
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
    await world.runs.create(run_id(1), ALICE, text=KEYBOARD, route="default")
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
    await world.runs.create(run_id(1), ALICE, text=HEADPHONES, route="default")
    since = str(SystemClock().time())
    await world.set(1, "trouble", "no_provider", "trouble_since", since, "tries", "9", "defects", "1")
    run = await world.led(1)
    assert (run.status, run.trouble, run.trouble_since, run.tries, run.defects) == ("waiting", None, None, 0, 0)


async def test_waits_for_a_dependency_are_no_defects(world: World) -> None:
    await world.runs.create(run_id(1), ALICE, text=KEYBOARD, route="default")
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


async def test_the_sweep_moves_what_no_longer_waits_to_what_has_to_go_on(world: World) -> None:
    await world.asked(1, HEADPHONES)
    await world.runs.decide(run_id(1), "approve", "k", **ADMIN)
    await world.store.execute("ZREM", OPEN, run_id(1))
    await world.store.execute("ZADD", WAITING, 1, run_id(1), 1, run_id(2))
    sweep = Sweep(
        world.settings, runs=world.runs, checkpoints=world.checkpoints, queue=Queue(world.store), clock=SystemClock()
    )
    await sweep.once()
    assert (await world.runs.older(WAITING, -60), await world.runs.older(OPEN, -60)) == ([], [run_id(1)])
    assert sweep.waiting == (0, 0.0)
