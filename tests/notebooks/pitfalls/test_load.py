"""The open load: the same arrivals for the same seed, and every answer, refusal and silence told apart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from door import ports
from notebooks.pitfalls.load import Clock, Due, moments, send, send_all, session

NEVER_S = 60.0


@asynccontextmanager
async def application() -> AsyncIterator[str]:
    """Answers /ok, refuses /no, and says nothing to /silent until it ends."""
    ends = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        await ends.wait()
        return web.Response()

    async def told(request: web.Request) -> web.Response:
        return web.json_response({"got": await request.json()})

    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=503)

    app = web.Application()
    app.add_routes([web.post("/ok", told), web.get("/no", refuse), web.get("/silent", silent)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, ports.LOOPBACK, 0)
    await site.start()
    try:
        yield f"http://{ports.LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        ends.set()
        await runner.cleanup()


def test_arrivals_are_as_many_as_planned_in_order_and_the_same_for_a_seed() -> None:
    drawn = moments(7, 200, 2.0, 5.0)
    assert drawn == moments(7, 200, 2.0, 5.0) == sorted(drawn)
    assert drawn != moments(8, 200, 2.0, 5.0)
    assert len(drawn) == 200
    assert all(2.0 <= moment <= 5.0 for moment in drawn)


async def test_an_answer_brings_its_status_and_its_words() -> None:
    async with application() as url, session() as client:
        answer = await send(client, Clock(), Due(0.0, "chat", "/ok", {"text": "hello"}), lambda: url, NEVER_S)
    assert answer.ok
    assert "hello" in answer.text
    assert 0 <= answer.due.at_s <= answer.sent_s <= answer.end_s


async def test_refusals_silence_and_nobody_there_are_told_apart() -> None:
    async with application() as url, session() as client:
        clock = Clock()
        refused = await send(client, clock, Due(0.0, "chat", "/no"), lambda: url, NEVER_S)
        silent = await send(client, clock, Due(0.0, "chat", "/silent"), lambda: url, clock.now_s + 0.05)
    async with session() as client:
        nobody = await send(client, Clock(), Due(0.0, "chat", "/ok"), lambda: url, NEVER_S)
    assert (refused.status, refused.lost, refused.ok) == (503, False, False)
    assert (silent.status, silent.lost) == (None, False)
    assert (nobody.status, nobody.lost) == (None, True)


async def test_what_is_due_goes_out_though_nothing_was_answered() -> None:
    async with application() as url, session() as client:
        dues = [Due(number / 1000, "chat", "/silent") for number in range(30)]
        answers = await send_all(client, Clock(), dues, lambda: url, 1.0)
    assert [answer.due for answer in answers] == dues
    assert all(answer.status is None and answer.waited_s > 0 for answer in answers)


async def test_the_client_has_no_queue_of_its_own() -> None:
    async with session() as client:
        connector = client.connector
        assert isinstance(connector, aiohttp.TCPConnector)
        assert connector.limit == 0
