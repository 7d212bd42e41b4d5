"""The load generator against servers whose behaviour is known: what it counts is what happened."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from loadtests.bench import load
from loadtests.bench.load import Outcome, Plan, Sample

Handler = Callable[[int], bytes | None]


def answer(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers its n-th request with `handler(n)`, or closes on None; yields its URL and the bodies."""
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                bodies.append(await reader.readexactly(length))
                response = handler(len(bodies))
                if response is None:
                    return
                writer.write(response)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/chat", bodies


async def run(url: str, connections: int = 1, **options: object) -> Outcome:
    fields: dict[str, object] = {"bodies": load.unique_bodies(), "timeout_s": 10.0, **options}
    return await asyncio.wait_for(load.run(Plan(url, connections=connections, **fields)), 30)  # type: ignore[arg-type]


async def test_every_connection_sends_its_share_and_every_body_is_another() -> None:
    async with server(lambda _: answer(b'{"answer": "yes"}')) as (url, bodies):
        outcome = await run(url, connections=5, requests_each=4, ramp_s=0.05, marker=b'"yes"')
    assert outcome.sent == outcome.ok == outcome.statuses[200] == 20
    assert len(set(bodies)) == 20
    assert not outcome.errors
    assert outcome.failed_share == 0
    assert outcome.requests_per_s == pytest.approx(20 / outcome.wall_s)


async def test_a_load_ends_after_its_seconds() -> None:
    async with server(lambda _: answer(b"{}")) as (url, bodies):
        outcome = await run(url, connections=3, seconds=0.2, bodies=itertools.repeat(b"{}"))
    assert outcome.ok == len(bodies) > 3
    assert set(bodies) == {b"{}"}
    assert 0.2 <= outcome.wall_s < 10


async def test_a_chunked_answer_and_one_in_pieces_are_read_whole() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n"
    async with server(lambda number: chunked if number % 2 else answer(b"yes " * 50_000)) as (url, _):
        outcome = await run(url, requests_each=6, marker=b"yes")
    assert (outcome.ok, dict(outcome.errors)) == (6, {})


async def test_other_statuses_and_answers_without_the_marker_are_not_ok() -> None:
    responses = [answer(b"good"), answer(b"bad"), answer(b"good", "503 Service Unavailable")]
    async with server(lambda number: responses[number - 1]) as (url, _):
        outcome = await run(url, requests_each=3, marker=b"good")
    assert dict(outcome.statuses) == {200: 2, 503: 1}
    assert (outcome.sent, outcome.ok, outcome.wrong) == (3, 1, 1)
    assert outcome.failed_share == pytest.approx(2 / 3)
    assert outcome.failures == "503 × 1, 200 with another answer × 1"


async def test_a_dropped_connection_is_an_error_and_the_client_comes_back() -> None:
    async with server(lambda number: None if number == 2 else answer(b"{}")) as (url, _):
        outcome = await run(url, requests_each=4)
    assert (outcome.sent, outcome.ok, sum(outcome.errors.values())) == (4, 3, 1)


async def test_a_polite_close_is_no_error() -> None:
    async with server(lambda _: answer(b"{}", more="Connection: close\r\n")) as (url, _):
        outcome = await run(url, requests_each=3)
    assert (outcome.ok, dict(outcome.errors)) == (3, {})


async def test_silence_ends_as_a_timeout() -> None:
    async with server(lambda _: b"") as (url, _):
        outcome = await run(url, connections=2, requests_each=1, timeout_s=0.1)
    assert dict(outcome.errors) == {"TimeoutError": 2}
    assert outcome.ok == 0


async def test_a_server_that_is_gone_is_counted_and_not_waited_for() -> None:
    async with server(lambda _: None) as (url, _):
        pass
    outcome = await run(url, connections=2, requests_each=2)
    assert (outcome.sent, sum(outcome.errors.values())) == (4, 4)


def test_a_plan_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="never ends"):
        Plan("http://127.0.0.1:1/chat", load.unique_bodies(), connections=1)


def test_a_window_holds_what_ended_in_it() -> None:
    samples = [Sample(1.0, 0.5, ok=True), Sample(2.0, 0.1, ok=False), Sample(3.0, 0.2, ok=True)]
    window = Outcome(samples=samples).between(2.0, 4.0)
    assert (window.sent, window.ok, window.failed_share) == (2, 1, 0.5)
    assert window.percentile_ms(0.5) == pytest.approx(200)
    assert window.requests_per_s == 0.5
