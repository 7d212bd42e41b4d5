"""Where answers may cost money: whose word counts, what is spent, what is left alone, and where requests may go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from loadtests.audit import Options, Shape, audit
from loadtests.audit.claims import Verdict
from loadtests.audit.service import PurseEmpty, Service
from loadtests.audit.shape import Source
from loadtests.audit.sources import Sources, Unreadable
from loadtests.conduct import Refused


class Stub:
    """A service that answers at once; `cost_usd` and `profile` as it is told, `/moved` is elsewhere."""

    def __init__(self) -> None:
        self.cost_usd: Any = 0.5
        self.profile = "live"
        self.refunds = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/health", self.ready),
                web.get("/ready", self.ready),
                web.post("/chat", self.chat),
                web.post("/refund", self.refund),
                web.route("*", "/moved", self.moved),
            ]
        )
        return app

    async def ready(self, request: web.Request) -> web.Response:
        return web.json_response({"profile": self.profile})

    async def chat(self, request: web.Request) -> web.Response:
        return web.json_response({"answer": "Perhaps.", "cost_usd": self.cost_usd})

    async def refund(self, request: web.Request) -> web.Response:
        self.refunds += 1
        return web.json_response({})

    async def moved(self, request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/health")


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
async def url(stub: Stub) -> AsyncIterator[str]:
    async with TestServer(stub.app()) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.fixture
async def replica() -> AsyncIterator[str]:
    async with TestServer(Stub().app()) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_a_service_that_says_live_is_believed_before_the_file(url: str) -> None:
    with pytest.raises(Refused, match="--max-usd"):
        await audit(Shape(service=url, profile="workbench"), Options())


async def test_so_is_a_replica(stub: Stub, url: str, replica: str) -> None:
    stub.profile = "workbench"
    with pytest.raises(Refused, match="--max-usd"):
        await audit(Shape(service=url, replicas=(replica,), profile="workbench"), Options())


async def test_no_money_is_moved_and_no_store_paused_in_the_live_profile(stub: Stub, url: str) -> None:
    store = {"pause": ["/no/such/program"], "resume": ["/no/such/program"]}
    shape = Shape.model_validate({"service": url, "store": store})
    report = await audit(shape, Options(only=(4, 8), max_usd=9.0))
    assert [finding.verdict for finding in report.findings] == [Verdict.UNOBSERVABLE] * 2
    assert all("a workbench profile" in finding.needs for finding in report.findings)
    assert stub.refunds == 0


@pytest.mark.parametrize("told", [0, -1.0, "nothing", None])
async def test_what_was_put_aside_stays_spent_where_no_price_is_told(stub: Stub, url: str, told: object) -> None:
    stub.cost_usd = told
    async with aiohttp.ClientSession() as session:
        service = Service(Shape(service=url, usd_per_question=0.02), session, "run", 0.05)
        for _ in range(2):
            await service.ask(service.person(), service.question())
        with pytest.raises(PurseEmpty):
            await service.ask(service.person(), service.question())


async def test_a_price_that_is_told_takes_its_place(stub: Stub, url: str) -> None:
    stub.cost_usd = 0.001
    async with aiohttp.ClientSession() as session:
        service = Service(Shape(service=url, usd_per_question=0.02), session, "run", 0.05)
        await service.ask(service.person(), service.question())
    assert service.spent_usd == pytest.approx(0.001)


async def test_nobody_is_followed_elsewhere(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        reply = await Service(Shape(service=url), session, "run").get("/moved")
        assert (reply.status, reply.is_ok) == (307, False)
        with pytest.raises(Unreadable, match="answered 307"):
            await Sources(session, {}).text(Source(url=f"{url}/moved"))


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"collector": "http://192.0.2.1:9"},
        {"logs": [{"url": "http://192.0.2.1/{value}"}]},
        {"search": {"by_user": {"url": "http://192.0.2.1/{value}"}}},
        {"hit_rate": {"source": {"url": "http://192.0.2.1/metrics"}}},
        {"store": {"url": "redis://192.0.2.1:6379/0"}},
    ],
    ids=["collector", "logs", "search", "hit rate", "store"],
)
async def test_nothing_but_this_machine_is_asked_of_anything(elsewhere: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="another machine"):
        await audit(Shape.model_validate({"service": "http://127.0.0.1:9", **elsewhere}), Options())


@pytest.mark.parametrize("alias", ["http://127.0.0.2:9", "http://[::1]:9", "http://localhost:9"])
async def test_a_service_by_another_name_is_no_replica(alias: str) -> None:
    with pytest.raises(Refused, match="no replica of itself"):
        await audit(Shape(service="http://127.0.0.1:9", replicas=(alias,)), Options())
