"""Sending answers to a client who may leave: whole ones as JSON, streams as server-sent events.

Whoever leaves cancels the upstream call within a second and pays for what came. Short calls never start the watch.
A stream is closed in the task that iterates it (``aclosing``), because generators must not be finished elsewhere.
Next: ``problems.py``.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

WATCH_AFTER_S = 0.25
"""Answers quicker than this are not watched for a client that leaves: the watch would cost more than they do."""

READ_WITHIN_S = 30.0
"""A client that reads nothing of a stream for this long has left."""


class ClientLeft(Exception):
    """The client closed the connection; nobody reads the answer."""


class Connected:
    """``with Connected(receive):`` cancels the block when the client leaves, and raises ClientLeft from it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = False
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a client is watched from within a task only")
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._begin)
        return self

    def _begin(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self._left and isinstance(error, asyncio.CancelledError) and self._task.uncancel() == 0:
            raise ClientLeft from None


class EventStream(Response):
    """A response of server-sent events, from a generator of encoded events."""

    def __init__(self, events: AsyncGenerator[bytes, None], headers: dict[str, str]) -> None:
        self._events = events
        self.background = None
        self.status_code = 200
        self.init_headers({"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", **headers})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the events end or the client leaves."""
        try:
            with Connected(receive):
                async with aclosing(self._events) as events:
                    # Begun before the head is sent: a generator that never ran would not clean up after itself.
                    event: bytes | None = await anext(events)
                    async with asyncio.timeout(READ_WITHIN_S):
                        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                    while event is not None:
                        async with asyncio.timeout(READ_WITHIN_S):
                            await send({"type": "http.response.body", "body": event, "more_body": True})
                        event = await anext(events, None)
                await send({"type": "http.response.body", "body": b""})
        except (ClientLeft, TimeoutError):
            return


def sse(event: str | None, data: bytes) -> bytes:
    """One encoded server-sent event."""
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data) if event else b"data: %s\n\n" % data
