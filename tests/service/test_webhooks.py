"""Webhooks end to end: a worker process delivers, the simulator's receiver verifies, whatever dies or lies between.

Messages are put by the test as a track would put them, into the stack's own store. DESIGN, section 4. Next:
``queue/test_queue.py``.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from standardwebhooks import Webhook

from loadtests.books.gather import Asked, judge
from loadtests.books.ledger import LedgerReader
from loadtests.books.service import ServiceReader
from service.clock import SystemClock
from service.observability.telemetry import Telemetry
from service.settings import load
from service.store.connection import Multiplexed
from service.store.guard import Store
from service.tracks.queue import Queue
from service.tracks.webhook import Webhooks
from tests.collector import Collector
from tests.service.unit.tracks.receivers import Answer, answering, hanging, receiver
from tests.settings import QUICK, ROUTES
from tests.stack import Stack
from tests.waiting import at_once, eventually

from .refusals import problem

TRIES = 3
SETTINGS = (
    QUICK
    + ROUTES
    + f"""
[queue]
redeliver_s = 1.5
[webhooks]
tries = {TRIES}
base_s = 0.1
cap_s = 0.2
timeout_s = 0.7
connect_timeout_s = 0.5
allowed_networks = ["127.0.0.1/32"]
"""
)
pytestmark = pytest.mark.timeout(300)
"""The first test also starts five processes, on a machine that may be busy."""
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Sender:
    """Sends as a track of the service would."""

    def __init__(self, stack: Stack) -> None:
        clock, settings = SystemClock(), load(redis_url=stack.valkey.url)
        self.stack = stack
        self.store = Store(
            Multiplexed(stack.valkey.url, timeout_s=5.0, clock=clock), failures=2, skip_s=0.5, clock=clock
        )
        self.hooks = Webhooks(
            settings.webhooks,
            store=self.store,
            queue=Queue(self.store),
            telemetry=Telemetry(settings, instance="test", clock=clock),
            clock=clock,
        )

    async def send(self, url: str | None = None, *, tenant: str = "acme", event: str = "job.completed") -> str:
        """One message of a subject of its own."""
        return await self.hooks.send(
            event=event,
            subject_id=f"job_{uuid.uuid4().hex}",
            tenant=tenant,
            url=url or self.stack.sim.receiver,
            data={"answer": "42"},
            traceparent=TRACEPARENT,
        )

    async def state(self, message_id: str) -> dict[str, Any]:
        """What became of it so far."""
        shown = await self.hooks.peek(message_id)
        assert shown is not None
        return shown

    async def until(self, state: str, *message_ids: str) -> None:
        """Wait until all are in this state."""
        for message_id in message_ids:

            async def there(message_id: str = message_id) -> bool:
                return bool((await self.state(message_id))["state"] == state)

            await eventually(there, f"{message_id} to be {state}", within_s=30)

    async def listed(self, state: str, message_id: str) -> dict[str, Any]:
        """Its row in the operators' list of this state, which is written after the message's own record."""
        found: list[dict[str, Any]] = []

        async def there() -> bool:
            answer = await self.stack.admin.request("GET", f"/admin/webhooks?state={state}")
            found[:] = [row for row in answer.json()["webhooks"] if row["id"] == message_id]
            return bool(found)

        await eventually(there, f"{message_id} among the {state}")
        return found[0]

    async def received(self, message_id: str) -> list[dict[str, Any]]:
        """The receiver's rows of this message."""
        return [row for row in await self.stack.sim.webhooks() if row["message_id"] == message_id]


@pytest.fixture(scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    stack = Stack.start(tmp_path_factory.mktemp("webhooks"), workers=1, worker=2, toml=SETTINGS, collector=collector)
    yield stack
    stack.end()


@asynccontextmanager
async def opened(stack: Stack) -> AsyncIterator[Sender]:
    """The stack without faults and with an empty ledger."""
    async with stack:
        await stack.reset()
        sender = Sender(stack)
        yield sender
        await sender.store.aclose()


@pytest.fixture
async def sender(_stack: Stack) -> AsyncIterator[Sender]:
    """A stack with two worker processes, a receiver without faults, an empty ledger."""
    async with opened(_stack) as sender:
        yield sender


async def test_a_message_arrives_signed_for_its_tenant_and_is_told_of(sender: Sender) -> None:
    stack = sender.stack
    message_id = await sender.send(tenant="globex")
    await sender.until("delivered", message_id)
    (row,) = await sender.received(message_id)
    assert (row["verified"], row["duplicate"], row["status"], row["event"]) == (True, False, 200, "job.completed")
    (record,) = await stack.told(f"select * from webhooks where message_id = '{message_id}'")
    assert (record["outcome"], record["tries"], record["status"], record["tenant"]) == ("delivered", 1, 200, "globex")
    assert (record["event"], record["subject_id"]) == ("job.completed", row["subject_id"])
    (span,) = await stack.told(
        "select links, kind, status from spans where name = 'webhook' "
        f"and attributes ->> 'gauntlet.webhook.id' = '{message_id}'"
    )
    assert span["links"] == [{"trace_id": TRACEPARENT[3:35], "span_id": TRACEPARENT[36:52]}]
    assert (span["kind"], span["status"]) == ("client", "unset")


async def test_a_receiver_that_is_down_for_a_while_gets_it_later(sender: Sender) -> None:
    await sender.stack.sim.fault("webhooks", "refused")
    message_id = await sender.send()

    async def tried() -> bool:
        return bool((await sender.state(message_id))["last_error"] == "connection")

    await eventually(tried, "a try in vain")
    await sender.stack.sim.heal()
    await sender.until("delivered", message_id)
    assert (await sender.state(message_id))["tries"] > 1
    assert len(await sender.received(message_id)) == 1


@pytest.mark.parametrize(
    ("fault", "params", "error"),
    [("status", {"status": 500}, "status"), ("hang", {}, "timeout"), ("reset", {}, "connection")],
)
async def test_a_fault_that_passes_costs_a_try(sender: Sender, fault: str, params: dict[str, Any], error: str) -> None:
    await sender.stack.sim.fault("webhooks", fault, times=1, **params)
    message_id = await sender.send()
    await sender.until("delivered", message_id)
    assert (await sender.state(message_id))["tries"] == 2
    rows = await sender.received(message_id)
    assert [row["fault"] for row in rows] == [fault, None]
    tries = await sender.stack.told(
        "select attributes ->> 'error.type' as error from spans where name = 'webhook' "
        f"and attributes ->> 'gauntlet.webhook.id' = '{message_id}' order by start_time",
        rows=2,
    )
    assert [row["error"] for row in tries] == [error, None]


async def test_after_its_tries_it_is_a_dead_letter_which_an_operator_sends_off_again(sender: Sender) -> None:
    stack = sender.stack
    await stack.sim.fault("webhooks", "status", status=500)
    message_id = await sender.send()
    await sender.until("dead", message_id)
    dead = await sender.listed("dead", message_id)
    assert (dead["tries"], dead["last_status"], dead["last_error"]) == (TRIES, 500, "status")
    assert "body" not in dead
    await stack.sim.heal()
    answer = await stack.admin.request("POST", f"/admin/webhooks/{message_id}/redrive")
    assert (answer.status, answer.json()) == (202, {"id": message_id, "state": "pending"})
    await sender.until("delivered", message_id)
    rows = await sender.received(message_id)
    assert [row["status"] for row in rows] == [500] * TRIES + [200]
    again = await stack.admin.request("POST", f"/admin/webhooks/{message_id}/redrive")
    assert problem(again, 409)["code"] == "conflict"
    records = await stack.told(f"select outcome from webhooks where message_id = '{message_id}' order by time", rows=2)
    assert [row["outcome"] for row in records] == ["dead", "delivered"]


async def test_410_is_the_end(sender: Sender) -> None:
    async with receiver(answering("410 Gone")) as there:
        message_id = await sender.send(there.url())
        await sender.until("dead", message_id)
        assert len(there.requests) == 1


async def test_a_redirect_into_the_inside_is_not_followed(sender: Sender) -> None:
    async with receiver(answering("302 Found", f"location: {sender.stack.sim.receiver}")) as there:
        message_id = await sender.send(there.url())
        await sender.until("dead", message_id)
        assert len(there.requests) == TRIES
    assert await sender.received(message_id) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only 127.0.0.1 of the loopback network is an address")
async def test_a_target_that_is_refused_is_never_called(sender: Sender) -> None:
    """As after a name turned inside: it was fine when it was set, and who listens there would answer."""
    async with receiver(answering("200 OK"), host="127.0.0.2") as there:
        message_id = await sender.send(there.url("127.0.0.2"))
        await sender.until("dead", message_id)
        assert there.connections == 0
    shown = await sender.state(message_id)
    assert (shown["last_error"], shown["tries"]) == ("target", TRIES)


async def test_a_receiver_that_hangs_holds_up_no_other(sender: Sender) -> None:
    async with receiver(hanging) as there:
        stuck = [await sender.send(there.url()) for _ in range(6)]
        message_id = await sender.send()
        await sender.until("delivered", message_id)
        assert (await sender.state(message_id))["tries"] == 1
        ended = [message["state"] for message in [await sender.state(each) for each in stuck]]
        assert "delivered" not in ended
        await sender.until("dead", *stuck)


async def test_two_workers_and_many_redrives_at_once_are_one_try_at_a_time(sender: Sender) -> None:
    stack = sender.stack
    most = at_work = 0

    async def counting(writer: asyncio.StreamWriter) -> None:
        nonlocal most, at_work
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.1)
        at_work -= 1
        await answer(writer)

    answer: Answer = answering("500 X")
    async with receiver(counting) as there:
        message_id = await sender.send(there.url())
        await sender.until("dead", message_id)
        answer = answering("200 OK")
        answers = await at_once(6, lambda _: stack.admin.request("POST", f"/admin/webhooks/{message_id}/redrive"))
        statuses = [answer.status for answer in answers]
        assert statuses.count(202) >= 1, "the first one finds it dead"
        assert statuses.count(202) + statuses.count(409) == len(answers), "the others find it waiting, or delivered"
        await sender.until("delivered", message_id)
        await sender.listed("delivered", message_id)
    assert most == 1
    assert len(there.requests) == TRIES + 1
    told = await stack.told(f"select outcome from webhooks where message_id = '{message_id}' order by time", rows=2)
    assert [row["outcome"] for row in told] == ["dead", "delivered"]


async def test_a_tenant_reads_its_secret_and_verifies_with_the_library(sender: Sender) -> None:
    alice, bob = sender.stack.caller("acme"), sender.stack.caller("globex")
    secret, other = [(await each.request("GET", "/webhooks/secret")).json() for each in (alice, bob)]
    assert secret["previous"] is None
    assert secret["secret"] != other["secret"]
    async with receiver(answering("200 OK")) as there:
        await sender.until("delivered", await sender.send(there.url(), tenant="acme"))
    head, _, body = there.requests[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert Webhook(secret["secret"]).verify(body, headers)["data"]["answer"] == "42"


async def test_the_operators_endpoints_are_theirs_and_say_what_is_wrong(sender: Sender) -> None:
    stack = sender.stack
    for method, path in (
        ("GET", "/admin/webhooks"),
        ("GET", "/admin/webhooks/msg_1"),
        ("POST", "/admin/webhooks/msg_1/redrive"),
    ):
        assert problem(await stack.caller().request(method, path), 403)["code"] == "forbidden"
    assert problem(await stack.admin.request("GET", "/admin/webhooks?state=lost"), 400)["code"] == "bad_request"
    assert problem(await stack.admin.request("GET", "/admin/webhooks?limit=0"), 400)["code"] == "bad_request"
    assert problem(await stack.admin.request("GET", "/admin/webhooks?limit=9999999"), 400)["code"] == "bad_request"
    assert problem(await stack.admin.request("GET", "/admin/webhooks/msg_1"), 404)["code"] == "not_found"
    assert problem(await stack.admin.request("POST", "/admin/webhooks/msg_1/redrive"), 404)["code"] == "not_found"
    message_id = await sender.send()
    await sender.until("delivered", message_id)
    await sender.listed("delivered", message_id)
    listed = (await stack.admin.request("GET", "/admin/webhooks?state=delivered&limit=1")).json()["webhooks"]
    assert [row["id"] for row in listed] == [message_id]
    assert (await stack.admin.request("GET", f"/admin/webhooks/{message_id}")).json()["state"] == "delivered"


async def test_the_books_know_of_each_message_what_came_of_it(sender: Sender) -> None:
    stack = sender.stack
    assert stack.collector is not None
    since = time.time()
    await stack.sim.fault("webhooks", "status", status=500)
    dead = await sender.send()
    await sender.until("dead", dead)
    await stack.sim.heal()
    await stack.sim.fault("webhooks", "status", status=503, times=2)
    delivered = [await sender.send() for _ in range(5)]
    async with receiver(answering("200 OK")) as there:
        elsewhere = await sender.send(there.url())
        await sender.until("delivered", *delivered, elsewhere)
    asked = Asked(since, time.time())
    places = ServiceReader(stack.collector.url), LedgerReader(stack.sim.url)
    _, found = await asyncio.to_thread(judge, asked, *places)
    assert found.balanced, found.differences
    lines = {line.rule: line for line in found.lines if "webhook" in line.what or line.what == "dead letters"}
    assert (lines["webhooks"].kind, lines["webhooks"].service, lines["webhooks"].ledger) == ("exact", 5, 5)
    assert lines["dead"].ids == [dead]
    assert lines["elsewhere"].service == 1


async def test_the_levels_are_told(sender: Sender) -> None:
    await sender.stack.sim.fault("webhooks", "refused")
    message_id = await sender.send()
    await sender.until("dead", message_id)
    for name in ("pending", "oldest", "dead"):
        await sender.stack.told(
            f"select value from metric_points where name = 'gauntlet.webhooks.{name}' and value > 0"
        )


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "told to end"])
async def test_a_worker_that_ends_between_try_and_record_is_repeated_by_the_next(
    start_stack: Callable[..., Stack], killed: bool
) -> None:
    """The receiver has taken it, its answer is on the way, and the worker dies: the same id comes again."""
    stack = start_stack(
        workers=1, worker=1, toml="drain_s = 0.2" + SETTINGS.replace("timeout_s = 0.7", "timeout_s = 4")
    )
    async with opened(stack) as sender:
        await stack.sim.fault("webhooks", "slow_first_token", delay_ms=3000, times=1)
        message_id = await sender.send()

        async def taken() -> bool:
            return bool(await sender.received(message_id))

        await eventually(taken, "the receiver to take it")
        if killed:  # and another is forked in its place
            stack.work[0].kill()
        else:
            stack.work[0].end()
        assert (await sender.state(message_id))["state"] == "pending"
        if not killed:
            stack.start_worker()
        await sender.until("delivered", message_id)
        first, second = await sender.received(message_id)
        assert (first["duplicate"], second["duplicate"], second["verified"]) == (False, True, True)
        assert (await sender.state(message_id))["tries"] == 2
