"""The load itself: chats at a steady pace, whether or not answers come back (an open loop). Read `warm_up.py` next.

A closed loop would slow down with the service and hide what a person waits for. So that an outage cannot pile up work
here, so many chats at most are in flight; what does not fit is counted as not sent.
"""

import asyncio
import os
from dataclasses import dataclass

import aiohttp
import orjson

from .mix import Chat, Mix

FASTEST_PER_S = 50
MOST_IN_FLIGHT = 200
LONGEST_S = 600.0
"""A load that somebody forgot ends by itself."""

CONNECT_S = 2.0
SILENCE_S = 15.0
WHOLE_S = 75.0
"""The service's own deadlines are shorter: 5 s for an answer, 60 s for a stream."""

GENTLY_S = 2.0
"""Time between two tries while nobody answers."""

DRAIN_S = 5.0
"""What is in flight when the load stops has this long to end."""

BEHIND_S = 1.0
"""Whoever was kept from sending for longer does not make up for it."""


@dataclass(slots=True)
class Counts:
    """`sent` is all that went out: answered, refused (4xx), failed, left (given up at the end) and in flight."""

    sent: int = 0
    answered: int = 0
    refused: int = 0
    failed: int = 0
    left: int = 0
    not_sent: int = 0
    in_flight: int = 0


class Load:
    """One load from its start to its end. `run` it in a loop; everything else is for any thread.

    `away`: why nobody answers at present, None when somebody does. `ended`: why it is over, None while it is not.
    `reasons`: how often it was refused or failed, by why.
    """

    def __init__(self, url: str, rate_per_s: float, *, seed: int, longest_s: float = LONGEST_S) -> None:
        self.url, self.rate_per_s, self.longest_s = url, rate_per_s, longest_s
        self.counts = Counts()
        self.reasons: dict[str, int] = {}
        self.away: str | None = None
        self.ended: str | None = None
        self.ran_s = 0.0
        self._mix = Mix(seed)
        self._why_over: str | None = None
        self._over = asyncio.Event()
        self._drain_s = DRAIN_S
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._try_again_s = 0.0

    @property
    def runs(self) -> bool:
        """Whether it sends; what it sent may still be in flight when it does not."""
        return self._why_over is None and self.ended is None

    def stop(self, why: str, *, drain_s: float = DRAIN_S) -> None:
        """Send no more; what is in flight may end within so many seconds."""
        self._drain_s = drain_s
        self._why_over = self._why_over or why
        loop = self._loop
        if loop is not None and self.ended is None:
            try:
                loop.call_soon_threadsafe(self._over.set)
            except RuntimeError:  # it has just ended
                return

    async def run(self) -> None:
        """Send until stopped, or until the longest time is over."""
        self._loop = asyncio.get_running_loop()
        try:
            async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MOST_IN_FLIGHT),
                timeout=aiohttp.ClientTimeout(WHOLE_S, sock_connect=CONNECT_S, sock_read=SILENCE_S),
            ) as session:
                try:
                    await self._send_steadily(session, self._loop)
                finally:
                    await self._drain()
        finally:
            self.ended = self._why_over or "it broke off"

    async def _send_steadily(self, session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> None:
        begun_s = due_s = loop.time()
        while self._why_over is None:
            now_s = loop.time()
            self.ran_s = now_s - begun_s
            if self.ran_s >= self.longest_s:
                self.stop(f"{self.longest_s / 60:.0f} minutes are over")
            elif now_s < due_s:
                await self._wait(min(due_s - now_s, self.longest_s - self.ran_s))
            else:
                if now_s - due_s > BEHIND_S:
                    self.counts.not_sent += int((now_s - due_s) * self.rate_per_s)
                    due_s = now_s
                due_s += 1 / self.rate_per_s
                self._send(session, now_s)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            return

    def _send(self, session: aiohttp.ClientSession, now_s: float) -> None:
        chat = self._mix.next(self.rate_per_s)
        if self.counts.in_flight >= MOST_IN_FLIGHT or (self.away is not None and now_s < self._try_again_s):
            self.counts.not_sent += 1
            return
        self._try_again_s = now_s + GENTLY_S
        self.counts.sent += 1
        self.counts.in_flight += 1
        task = asyncio.create_task(self._one(session, chat))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        # Counted here: a task that is cancelled before its first step never runs a line of its own.
        self._tasks.discard(task)
        self.counts.in_flight -= 1
        self.counts.left += task.cancelled()

    async def _one(self, session: aiohttp.ClientSession, chat: Chat) -> None:
        headers = {"Authorization": f"Bearer {chat.key}"}
        try:
            async with session.post(
                self.url + chat.path, json=chat.body, headers=headers, allow_redirects=False
            ) as response:
                self.away = None
                self._judge(chat, response.status, await response.read())
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno
            self.away = os.strerror(number).lower() if number else "no connection"
            self._failed("nobody answers there")
        except aiohttp.ConnectionTimeoutError:
            self.away = f"no connection within {CONNECT_S:.0f} s"
            self._failed(self.away)
        except TimeoutError:
            self.away = f"no answer within {SILENCE_S:.0f} s"
            self._failed(self.away)
        except (aiohttp.ClientError, OSError):
            self._failed("the connection broke off")

    def _judge(self, chat: Chat, status: int, body: bytes) -> None:
        whole = not chat.streams or b"event: done\n" in body or b"data: [DONE]" in body
        if status == 200 and whole:
            self.counts.answered += 1
        elif status == 200:
            self._failed("the stream broke off")
        elif status < 400 or status >= 500:
            self._failed(_words(status, body))
        else:
            self.counts.refused += 1
            self._note(_words(status, body))
            if status == 401:
                self.stop("the service takes no demo keys (401): is its profile the live one?")

    def _failed(self, why: str) -> None:
        self.counts.failed += 1
        self._note(why)

    def _note(self, why: str) -> None:
        self.reasons[why] = self.reasons.get(why, 0) + 1

    async def _drain(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._drain_s)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _words(status: int, body: bytes) -> str:
    """The kind of a refusal, not its details: there are to be few of them."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        return f"status {status}"
    if "answer" in document:
        return f"honest message ({status})"
    error = document.get("error")
    kind = document.get("code") or (error.get("code") if isinstance(error, dict) else None) or "status"
    return f"{str(kind).replace('_', ' ')} ({status})"
