"""Server-sent events, and what a client that leaves cancels."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from starlette.types import Message

from service.gateway import events
from service.gateway.events import ClientLeft, Connected, EventStream, sse


@pytest.fixture(autouse=True)
def _watch_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "WATCH_AFTER_S", 0.0)


class Client:
    """Reads what is sent; leaves when told to."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


def test_an_event_is_named_or_not() -> None:
    assert sse("delta", b"{}") == b"event: delta\ndata: {}\n\n"
    assert sse(None, b"[DONE]") == b"data: [DONE]\n\n"


async def test_a_client_that_leaves_cancels_the_work_and_nothing_else() -> None:
    client, cancelled = Client(), False

    async def work() -> None:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        finally:
            cancelled = True

    async def serve() -> str:
        try:
            with Connected(client.receive):
                asyncio.get_running_loop().call_soon(client.left.set)
                await work()
        except ClientLeft:
            await asyncio.sleep(0)  # the task itself goes on
            return "left"
        return "stayed"

    assert await serve() == "left"
    assert cancelled
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_work_that_ends_in_time_is_not_disturbed_by_a_client_that_leaves_later() -> None:
    client = Client()
    with Connected(client.receive):
        await asyncio.sleep(0.01)
    client.left.set()
    await asyncio.sleep(0.01)


async def test_a_cancellation_from_outside_stays_a_cancellation() -> None:
    client = Client()

    async def serve() -> None:
        with Connected(client.receive):
            await asyncio.Event().wait()

    task = asyncio.create_task(serve())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_work_passes_through() -> None:
    with pytest.raises(ValueError, match="a defect"), Connected(Client().receive):
        raise ValueError("a defect")


async def test_a_stream_is_sent_event_by_event_and_ended() -> None:
    async def answer() -> AsyncGenerator[bytes, None]:
        yield b"one"
        yield b"two"

    client = Client()
    await EventStream(answer(), {"x-more": "yes"})({}, client.receive, client.send)
    start, *bodies = client.sent
    headers: dict[bytes, bytes] = dict(start["headers"])
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"x-more"] == b"yes"
    assert [(body.get("body"), body.get("more_body", False)) for body in bodies] == [
        (b"one", True),
        (b"two", True),
        (b"", False),
    ]


async def test_a_stream_whose_client_leaves_is_closed_in_its_own_task() -> None:
    closed_in: list[Any] = []

    async def answer() -> AsyncGenerator[bytes, None]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            closed_in.append(asyncio.current_task())

    client = Client()
    task = asyncio.create_task(EventStream(answer(), {})({}, client.receive, client.send))
    await asyncio.sleep(0.01)
    client.left.set()
    await task
    assert closed_in == [task]
    assert [message.get("body") for message in client.sent] == [None, b"one"]
