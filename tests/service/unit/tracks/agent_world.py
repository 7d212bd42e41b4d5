"""What the tests of an agent's worker share: a track on a real Valkey and a real file, with model and bank played."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from service.clock import SystemClock
from service.errors import ConnectionFailed, GauntletError, StoreUnavailable
from service.gateway.auth import Caller
from service.llm.routes import Route, Rung
from service.own_work import Steps
from service.settings import PAYMENTS, AgentSettings
from service.stages.ask import Ask
from service.stages.reply import Reply
from service.store.guard import Store
from service.tracks.agent_record import Run, charge_key
from service.tracks.agent_runs import Runs
from service.tracks.agent_steps import Tools
from service.tracks.agent_sweep import Sweep
from service.tracks.agent_track import AgentTrack
from service.tracks.checkpoints import Checkpoints, CheckpointsUnusable
from service.tracks.orders import Order, WorkbenchOrders
from service.tracks.queue import Later, Queue
from service.tracks.work import Work

ALICE = Caller("acme", "alice")
ADMIN = {"approver": '{"tenant": "ops", "user": "admin"}'}
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
    """Stands for webhooks and telemetry; ``late`` are messages that Redis does not answer in time."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.events: list[str] = []
        self.late = 0

    def agent_run(self, outcome: str) -> None:
        self.outcomes.append(outcome)

    async def send(self, *, event: str, **_: Any) -> None:
        if self.late:
            self.late -= 1
            raise StoreUnavailable("one answer too late")
        self.events.append(event)


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
        self.queue = Queue(store)
        self.sweep = Sweep(
            self.settings,
            runs=self.runs,
            checkpoints=self.checkpoints,
            queue=self.queue,
            redeliver_s=1.0,
            clock=clock,
        )
        self.track = AgentTrack(
            self.settings,
            runs=self.runs,
            tools=tools,
            checkpoints=self.checkpoints,
            queue=self.queue,
            redeliver_s=1.0,
            webhooks=self.told,  # type: ignore[arg-type]
            telemetry=self.told,  # type: ignore[arg-type]
            pseudonym_key="k",
            clock=clock,
        )

    async def begun(self, n: int, text: str) -> None:
        """A run with these words, that nobody has led."""
        await self.runs.create(run_id(n), ALICE, text=text, route="default", webhook_url="http://alice.example/")

    async def asked(self, n: int, text: str) -> Run:
        """A run with these words, led as far as it goes at once."""
        await self.begun(n, text)
        return await self.led(n)

    async def gone(self, n: int) -> None:
        """Redis knows of no such run any more."""
        await self.store.execute("DEL", f"agent:{{{run_id(n)}}}")

    async def led_by_another(self, n: int) -> Run:
        """Once more, while we are in a step of it and hear of nothing."""
        await self.set(n, "held_until", "0")
        return await asyncio.create_task(self.led(n), context=contextvars.Context())

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

    async def hold_lost(self, n: int) -> None:
        """Redis knows no more that anything is held for the run."""
        run = await self.now(n)
        assert run.order is not None
        await self.desk.release(await self.order(run.order), charge_key(run.run_id, run.created))

    async def paid_forgotten(self, number: str) -> None:
        """Redis knows no more what was held or paid of an order."""
        await self.store.execute("DEL", f"refunds:{{{(await self.order(number)).charge}}}")

    def without_file(self) -> None:
        """The checkpoints cannot be read any more."""

        async def away() -> Any:
            raise CheckpointsUnusable("away")

        self.checkpoints.saver = away  # type: ignore[method-assign]

    async def left(self, number: str) -> int:
        """What another run would get of an order."""
        order = await self.order(number)
        share = await self.desk.hold(order, "another", None)
        await self.desk.release(order, "another")
        return share.amount


def dropped() -> GauntletError:
    return ConnectionFailed("dropped", provider=PAYMENTS)
