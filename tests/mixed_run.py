"""Load of every kind on a stack, written into a client's book: chats, streams, completions, refunds, some given up.

Request ids are made from seed, caller and number, so that what a fault with a share strikes repeats.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from loadtests.books import ClientBook, Entry

from .answer import parse_events
from .caller import Caller
from .stack import Stack

FAMILY = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
LOST = (aiohttp.ClientError, ConnectionError, asyncio.TimeoutError)
MIX = {"chat": 40, "faq": 15, "stream": 20, "completion": 10, "refund": 5, "leave": 7, "wrong": 3}
"""Kind of request -> share in percent."""


@dataclass
class MixedRun:
    """``count`` requests, ``at_once`` at a time, by twenty callers of two tenants."""

    stack: Stack
    book: ClientBook
    seed: int
    count: int
    at_once: int = 40
    outcomes: dict[str, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Send all of them."""
        self._random = random.Random(self.seed)  # noqa: S311 - a seeded mix, no secret
        self._callers = [self.stack.caller(f"mixed{self.seed}x{n % 2}", f"user{n}") for n in range(20)]
        kinds = self._random.choices(list(MIX), list(MIX.values()), k=self.count)
        numbers = iter(enumerate(kinds))

        async def worker() -> None:
            for number, kind in numbers:
                await self._one(number, kind)

        await asyncio.gather(*(worker() for _ in range(self.at_once)))

    async def _one(self, number: int, kind: str) -> None:
        caller = self._callers[number % len(self._callers)]
        text = f"What does note n{self.seed}x{number} say about retries?"
        if kind == "faq":
            text = f"What is full jitter, question {number % 7}?"
        chat = {"text": text}
        if kind in ("chat", "faq"):
            await self._send(number, caller, "/chat", chat)
        elif kind == "stream":
            policy = ("restart", "error", "buffer")[number % 3]
            await self._send(number, caller, "/chat/stream", {**chat, "route": policy})
        elif kind == "completion":
            body = {"model": "default", "messages": [{"role": "user", "content": text}], "stream": number % 2 == 0}
            options = {"stream_options": {"include_usage": True}} if body["stream"] else {}
            await self._send(number, caller, "/v1/chat/completions", {**body, **options})
        elif kind == "leave":
            path = "/chat/stream" if number % 2 else "/chat"
            await self._send(number, caller, path, chat, leaves_after_s=self._random.uniform(0.01, 0.6))
        elif kind == "wrong":
            await self._send(number, caller, "/chat", {**chat, "route": "nowhere"})
        else:
            refund = {"charge": f"ch_{number}", "amount": 100 + number, "currency": "usd"}
            key = f"order-{self.seed}-{number}"
            await self._send(number, caller, "/refund", refund, key=key)
            await self._send(number, caller, "/refund", refund, key=key, again=1)

    async def _send(
        self,
        number: int,
        caller: Caller,
        path: str,
        body: dict[str, Any],
        *,
        key: str | None = None,
        again: int = 0,
        leaves_after_s: float | None = None,
    ) -> None:
        request_id = str(uuid.uuid5(FAMILY, f"{self.seed} {caller.key} {number} {again}"))
        headers = {**caller.headers, "X-Request-ID": request_id, **({"Idempotency-Key": key} if key else {})}
        begun, t = time.monotonic(), time.time()
        got: dict[str, Any] = {"outcome": "lost", "status": None}
        try:
            async with asyncio.timeout(leaves_after_s):
                await self._read(caller, path, body, headers, got)
        except TimeoutError:
            got["outcome"] = "left"
        except LOST:
            got["outcome"] = "lost"
        entry = Entry(
            request_id=request_id,
            t=t,
            duration_ms=(time.monotonic() - begun) * 1000,
            endpoint=path,
            stream="stream" in path or bool(body.get("stream")),
            key=key,
            **got,
        )
        self.book.write(entry)
        self.outcomes[entry.outcome] = self.outcomes.get(entry.outcome, 0) + 1

    async def _read(
        self, caller: Caller, path: str, body: dict[str, Any], headers: dict[str, str], got: dict[str, Any]
    ) -> None:
        session = self.stack.session
        assert session is not None
        async with session.post(caller.stack.url + path, data=json.dumps(body).encode(), headers=headers) as response:
            got["status"], got["worker"] = response.status, response.headers.get("X-Worker")
            got["replayed"] = response.headers.get("Idempotency-Replayed") == "true"
            read = await response.read()
        if response.content_type == "text/event-stream":
            self._streamed(read, got)
        else:
            got["outcome"] = _of_status(response.status)
            document = json.loads(read)
            _told(document.get("gauntlet", document), got)

    def _streamed(self, read: bytes, got: dict[str, Any]) -> None:
        events = parse_events(read)
        name, last = events[-1]
        if name == "data":  # OpenAI's
            told = next((data["gauntlet"] for _, data in events if "gauntlet" in data), None)
            got["outcome"] = "answered" if last == "[DONE]" else "broken"
            _told(told or {}, got)
        else:
            got["outcome"] = "answered" if name == "done" else "broken"
            _told(last, got)


def _of_status(status: int) -> str:
    return "answered" if status < 400 else "refused" if status < 500 else "failed"


def _told(document: dict[str, Any], got: dict[str, Any]) -> None:
    """What an answer says of itself."""
    if "source" in document:
        got["source"], got["degraded"] = document["source"], tuple(document["degraded"])
        got["input_tokens"] = document["usage"]["input_tokens"]
        got["output_tokens"] = document["usage"]["output_tokens"]
        cost = document["cost_usd"]
        got["cost_nano_usd"] = None if cost is None else round(cost * 1e9)
