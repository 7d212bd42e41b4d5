"""Admission and health: a bound on what is in flight, and a liveness answer that nothing can hold up."""

import asyncio

import orjson
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from service.clock import SystemClock
from service.errors import Overloaded
from service.gateway.admission import LATE_PART, Admission
from service.gateway.health import Health, Readiness
from service.lag import Lag
from service.store.guard import Store

from ..fakes import AwayStore
from .asgi import get


class Gate:
    """An application that answers when the gate opens."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.open.wait()
        await PlainTextResponse("ok")(scope, receive, send)


class Hands(Lag):
    """Late when the test says so."""

    def __init__(self) -> None:
        super().__init__(limit_s=1.0, clock=SystemClock())
        self.is_behind = False

    @property
    def behind(self) -> bool:
        return self.is_behind


async def test_a_worker_that_is_behind_takes_an_eighth_until_it_has_caught_up() -> None:
    lag, gate = Hands(), Gate()
    app = Admission(gate, limit=2 * LATE_PART, lag=lag)
    lag.is_behind = True
    served = [asyncio.create_task(get(app, "/chat")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="0 ms behind with its work; try again in a second") as refused:
        await get(app, "/chat")
    assert (refused.value.status, refused.value.retry_after_s, app.in_flight) == (503, 1.0, 2)
    lag.is_behind = False
    served.append(asyncio.create_task(get(app, "/chat")))
    await asyncio.sleep(0)
    assert app.in_flight == 3
    gate.open.set()
    assert [(await one).status for one in served] == [200] * 3


async def test_beyond_the_bound_a_request_is_refused_at_once_and_below_it_served() -> None:
    gate = Gate()
    app = Admission(gate, limit=3, lag=Hands())
    served = [asyncio.create_task(get(app, "/chat")) for _ in range(3)]
    await asyncio.sleep(0)
    assert app.in_flight == 3
    with pytest.raises(Overloaded) as refused:
        await get(app, "/chat")
    assert (refused.value.status, refused.value.retry_after_s) == (503, 1.0)
    gate.open.set()
    assert [(await one).status for one in served] == [200] * 3
    assert app.in_flight == 0
    assert (await get(app, "/chat")).status == 200


async def test_a_cancelled_or_failed_request_gives_its_place_back() -> None:
    gate = Gate()
    app = Admission(gate, limit=1, lag=Hands())
    left = asyncio.create_task(get(app, "/chat"))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    assert app.in_flight == 0

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("a defect")

    failing = Admission(fail, limit=1, lag=Hands())
    with pytest.raises(ValueError, match="defect"):
        await get(failing, "/chat")
    assert failing.in_flight == 0


async def test_health_is_answered_without_touching_anything() -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("touched")

    answer = await get(Health(fail), "/health")
    assert (answer.status, orjson.loads(answer.body)) == (200, {"status": "ok"})
    head = await get(Health(fail), "/health", method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(answer.body)))


@pytest.mark.parametrize(("path", "method"), [("/health", "POST"), ("/healthy", "GET"), ("/", "GET")])
async def test_everything_else_passes_through_health(path: str, method: str) -> None:
    assert (await get(Health(PlainTextResponse("inside")), path, method=method)).body == b"inside"


ROWS = [{"provider": "anthropic", "state": "open"}]


async def test_ready_looks_at_the_store_and_shows_the_providers(store: Store) -> None:
    ready = Readiness(store, lambda: ROWS, "bench")
    answer = await ready()
    assert answer.status_code == 200, "an open circuit is not our outage"
    assert orjson.loads(answer.body) == {"status": "ready", "profile": "bench", "redis": "ok", "providers": ROWS}


async def test_ready_says_what_is_wrong_with_the_store() -> None:
    answer = await Readiness(AwayStore(), lambda: ROWS, "live")()
    assert answer.status_code == 503
    assert orjson.loads(answer.body) == {
        "status": "not ready",
        "profile": "live",
        "redis": "Redis is away",
        "providers": ROWS,
    }
