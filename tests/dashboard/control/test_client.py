"""The load against a service that a test plays."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from dashboard.control import client
from dashboard.control.client import Load
from tests.waiting import eventually

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def played(handler: Handler, port: int = 0) -> AsyncIterator[str]:
    """A service that answers every chat by `handler`; its URL."""
    app = web.Application()
    app.router.add_post("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(load: Load) -> AsyncIterator[Load]:
    task = asyncio.create_task(load.run())
    try:
        yield load
    finally:
        load.stop("the test is over", drain_s=0)
        await task


async def answers(request: web.Request) -> web.StreamResponse:
    """A whole answer, in the form that was asked for."""
    body = await request.json()
    if request.path == "/chat/stream":
        return web.Response(text='event: delta\ndata: {}\n\nevent: done\ndata: {"answer": "so"}\n\n')
    if body.get("stream"):
        return web.Response(text="data: {}\n\ndata: [DONE]\n\n")
    return web.json_response({"answer": "so"})


def no_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_all_three_endpoints_are_asked_and_their_whole_answers_counted() -> None:
    paths = set()

    async def noting(request: web.Request) -> web.StreamResponse:
        paths.add(request.path)
        return await answers(request)

    async with played(noting) as url, running(Load(url, 50, seed=1)) as load:

        async def all_seen() -> bool:
            return len(paths) == 3 and load.counts.answered >= 20

        await eventually(all_seen, "answers from all endpoints")
        assert load.counts.failed == load.counts.refused == 0


async def test_a_stream_without_its_end_is_a_failure() -> None:
    async def cuts(request: web.Request) -> web.StreamResponse:
        whole = await answers(request)
        assert isinstance(whole, web.Response)
        return web.Response(text=(whole.text or "").split("event: done")[0].split("data: [DONE]")[0])

    async with played(cuts) as url, running(Load(url, 50, seed=1)) as load:

        async def counted() -> bool:
            return load.reasons.get("the stream broke off", 0) > 2 and load.counts.answered > 0

        await eventually(counted, "broken streams, and whole documents beside them")


async def test_refusals_and_honest_messages_are_named_and_kept_apart() -> None:
    replies = [
        web.json_response({"code": "rate_limited"}, status=429),
        web.json_response({"error": {"code": "rate_limited"}}, status=429),
        web.json_response({"answer": "not now"}, status=503),
        web.Response(text="<html>", status=502),
        web.json_response([], status=500),
    ]
    number = iter(range(1_000_000))

    async def refuses(request: web.Request) -> web.StreamResponse:
        reply = replies[next(number) % len(replies)]
        return web.Response(body=reply.body, status=reply.status)

    async with played(refuses) as url, running(Load(url, 50, seed=1)) as load:

        async def all_named() -> bool:
            return len(load.reasons) == 4

        await eventually(all_named, "four reasons")
        assert set(load.reasons) == {"rate limited (429)", "honest message (503)", "status 502", "status 500"}
        assert load.counts.refused == load.reasons["rate limited (429)"]
        assert load.counts.answered == 0


async def test_what_does_not_fit_is_counted_as_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_IN_FLIGHT", 3)
    hangs = asyncio.Event()

    async def waits(request: web.Request) -> web.StreamResponse:
        await hangs.wait()
        return await answers(request)

    async with played(waits) as url, running(Load(url, 50, seed=1)) as load:

        async def full() -> bool:
            return load.counts.not_sent > 2

        await eventually(full, "what does not fit")
        assert load.counts.in_flight == load.counts.sent == 3
        hangs.set()


async def test_a_service_that_is_away_is_named_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "GENTLY_S", 0.2)
    port = no_port()
    async with running(Load(f"http://127.0.0.1:{port}", 50, seed=1)) as load:

        async def away() -> bool:
            return load.away is not None and load.counts.not_sent > 0 and load.counts.failed > 1

        await eventually(away, "the load to find that nobody answers")
        assert "refused" in str(load.away)
        async with played(answers, port):

            async def back() -> bool:
                return load.away is None and load.counts.answered > 5

            await eventually(back, "the load to find the service again")


async def test_keys_that_are_not_taken_end_it() -> None:
    async def refuses(_: web.Request) -> web.StreamResponse:
        return web.json_response({"code": "unauthorized"}, status=401)

    async with played(refuses) as url:
        load = Load(url, 50, seed=1)
        await load.run()
    assert "demo keys" in str(load.ended)


async def test_it_ends_by_itself() -> None:
    async with played(answers) as url:
        load = Load(url, 50, seed=1, longest_s=0.3)
        await load.run()
    assert "minutes are over" in str(load.ended)
    assert load.counts.answered == load.counts.sent > 0


async def test_what_is_in_flight_when_it_stops_may_end_and_the_rest_is_given_up() -> None:
    asked = asyncio.Event()
    held = asyncio.Event()

    async def waits(request: web.Request) -> web.StreamResponse:
        asked.set()
        await held.wait()
        return await answers(request)

    async with played(waits) as url:
        load = Load(url, 50, seed=1)
        task = asyncio.create_task(load.run())
        await asked.wait()
        load.stop("stopped", drain_s=0)
        await task
        counts = load.counts
        assert counts.left == counts.sent > 0
        assert counts.in_flight == 0
        held.set()


async def test_no_redirect_leads_elsewhere() -> None:
    visited = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        visited.append(request.path)
        return await answers(request)

    async with played(elsewhere) as other:

        async def redirects(_: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": other + "/chat"})

        async with played(redirects) as url, running(Load(url, 50, seed=1)) as load:

            async def failed() -> bool:
                return load.reasons.get("status 307", 0) > 2

            await eventually(failed, "redirects to be failures")
    assert not visited
