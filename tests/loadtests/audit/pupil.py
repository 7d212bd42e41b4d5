"""A small service of another shape than ours that keeps all ten promises, and breaks those that it is told to.

    python -m tests.loadtests.audit.pupil --openai URL --anthropic URL --payments URL --redis URL --log FILE

`PUT /flaws` with `{"flaws": [names], "deadline_s": 2}` says what is wrong with it from now on, and how long it takes at
most; `FLAWS` says which there are. Two processes on one store are replicas. Read `pupil_calls.py` next.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.loadtests.audit.pupil_calls import Calls, Failed

FLAWS = frozenset(
    {
        *("no_timeout", "abandons", "no_retry", "endless_retries", "retries_400", "no_breaker"),
        *("no_cache", "untracked", "all_are_hits"),
        *("no_limit", "check_then_take", "limit_per_address"),
        *("key_optional", "check_then_act", "body_ignored", "pays_per_process"),
        *("memory_session", "single_provider", "canned", "canned_beside", "blocking"),
        *("health_calls_llm", "health_called_llm", "health_needs_store", "ready_is_blind"),
        *("no_id", "no_user", "unnamed", "echoes", "finds_all"),
        *("caches_personal", "calls_twice", "logs_text", "logs_later", "stores_text"),
    }
)
LATER_S = 0.2
BURST, PER_S = 50, 2.0
STORE_S = 0.5
BUCKET = """
local now, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local tokens = tonumber(redis.call('HGET', KEYS[1], 'tokens') or burst)
local at = tonumber(redis.call('HGET', KEYS[1], 'at') or now)
tokens = math.min(burst, tokens + (now - at) * tonumber(ARGV[3])) - 1
if tokens < 0 then return 0 end
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now)
redis.call('EXPIRE', KEYS[1], 60)
return 1
"""
"""A token bucket in one step."""
PERSONAL = re.compile(r"\S+@\S+|\+\d[\d ]{6,}")


@dataclass
class Pupil:
    """The handlers. `providers`: name -> base URL, the first one first."""

    providers: dict[str, str]
    payments: str
    redis: Any
    log: Any
    flaws: set[str] = field(default_factory=set)
    sessions: dict[str, list[Any]] = field(default_factory=dict)
    paid: dict[str, str] = field(default_factory=dict)
    called: bool = False
    http: aiohttp.ClientSession = field(init=False)
    calls: Calls = field(init=False)

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application()
        app.cleanup_ctx.append(self._connected)
        app.add_routes(
            [
                web.put("/flaws", self._put_flaws),
                web.post("/v1/ask", self._named(self.ask)),
                web.post("/pay", self._named(self.pay)),
                web.get("/livez", self.livez),
                web.get("/readyz", self.readyz),
                web.get("/metrics", self.metrics),
                web.get("/find", self.find),
            ]
        )
        return app

    async def _connected(self, app: web.Application) -> Any:
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self.calls = Calls(self.providers, self.http)
        yield
        await self.http.close()

    async def _put_flaws(self, request: web.Request) -> web.Response:
        told = await request.json()
        self.flaws, self.called = set(told["flaws"]), False
        self.calls.begin_anew(self.flaws, told["deadline_s"])
        return web.json_response({})

    def _named(
        self, handler: Callable[[web.Request, str], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def named(request: web.Request) -> web.Response:
            request_id = uuid.uuid4().hex
            response = await handler(request, request_id)
            if "unnamed" not in self.flaws:
                response.headers["X-Trace"] = request_id
            return response

        return named

    async def ask(self, request: web.Request, request_id: str) -> web.Response:
        """One question: limit, session, cache, providers."""
        given = await request.json()
        text, key = given["prompt"]["text"], request.headers.get("X-Api-Key", "")
        user = key.split("-")[-1]
        line = {"user": user, "id": request_id, "text": text if "logs_text" in self.flaws else len(text)}
        line = {name: value for name, value in line.items() if f"no_{name}" not in self.flaws}
        self._write(line)
        if "logs_later" in self.flaws:
            asyncio.get_running_loop().call_later(LATER_S, self._write, {"later": text})
        if not await self._allowed(key if "limit_per_address" not in self.flaws else str(request.remote)):
            return web.json_response({"error": "too many"}, status=429, headers={"Retry-After": "1"})
        conversation = given.get("conversation") or uuid.uuid4().hex
        messages = [*await self._history(conversation), {"role": "user", "content": text}]
        reply, cached = await self._reply(messages)
        if (reply is None and "canned" in self.flaws) or ("canned_beside" in self.flaws and self.calls.failed_over):
            reply = "All our models are busy, and we love you."
        if reply is None:
            return web.json_response({"error": "come back later"}, status=503)
        await self._remember(conversation, [*messages, {"role": "assistant", "content": reply}])
        if "untracked" not in self.flaws:
            await self.redis.hincrby("counts", "hit" if cached or "all_are_hits" in self.flaws else "miss")
        if "stores_text" in self.flaws:
            await self.redis.rpush("recent", text)
        return web.json_response({"reply": {"text": reply}, "conversation": conversation})

    def _write(self, line: Any) -> None:
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()

    async def _allowed(self, whose: str) -> bool:
        if "no_limit" in self.flaws:
            return True
        now, key = time.time(), f"bucket:{whose}"
        if "check_then_take" in self.flaws:
            key = f"naive:{whose}"
            tokens, at = json.loads(await self.redis.get(key) or f"[{BURST}, {now}]")
            tokens = min(BURST, tokens + (now - at) * PER_S) - 1
            if tokens >= 0:
                await self.redis.set(key, json.dumps([tokens, now]), ex=60)
            return bool(tokens >= 0)
        return bool(await self.redis.eval(BUCKET, 1, key, now, BURST, PER_S))

    async def _history(self, conversation: str) -> list[Any]:
        if "memory_session" in self.flaws:
            return self.sessions.get(conversation, [])
        stored: list[Any] = json.loads(await self.redis.get(f"session:{conversation}") or "[]")
        return stored

    async def _remember(self, conversation: str, messages: list[Any]) -> None:
        if "memory_session" in self.flaws:
            self.sessions[conversation] = messages
        else:
            await self.redis.set(f"session:{conversation}", json.dumps(messages), ex=600)

    async def _reply(self, messages: list[Any]) -> tuple[str | None, bool]:
        whole = json.dumps(messages)
        key = f"answer:{hashlib.sha256(whole.encode()).hexdigest()}"
        personal = PERSONAL.search(whole) and "caches_personal" not in self.flaws
        keeps = not personal and "no_cache" not in self.flaws
        if keeps and (hit := await self.redis.get(key)) is not None:
            return str(hit), True
        try:
            async with asyncio.timeout(None if "no_timeout" in self.flaws else self.calls.deadline_s):
                answering = asyncio.ensure_future(self.calls.first_that_answers(messages))
                reply = await (asyncio.shield(answering) if "abandons" in self.flaws else answering)
        except TimeoutError:
            reply = None
        if "calls_twice" in self.flaws:
            reply = await self.calls.first_that_answers(messages)
        if keeps and reply is not None:
            await self.redis.set(key, reply, ex=60)
        return reply, False

    async def pay(self, request: web.Request, request_id: str) -> web.Response:
        """Money that moves once for a key."""
        key, body = request.headers.get("Idempotency-Key"), await request.json()
        if key is None and "key_optional" not in self.flaws:
            return web.json_response({"error": "Idempotency-Key is missing"}, status=400)
        lock, said = f"pay:{key or uuid.uuid4().hex}", json.dumps(body, sort_keys=True)
        if "pays_per_process" in self.flaws:
            known = self.paid.get(lock)
            self.paid.setdefault(lock, json.dumps([said, None]))
        elif "check_then_act" in self.flaws:
            known = await self.redis.get(lock)
        else:
            known = await self.redis.set(lock, json.dumps([said, None]), nx=True, get=True, ex=600)
        if known is not None:
            before, answer = json.loads(known)
            if before != said and "body_ignored" not in self.flaws:
                return web.json_response({"error": "another body"}, status=422)
            return web.json_response(answer or {"error": "in flight"}, status=200 if answer else 409)
        sent = {"charge": body["order"], "amount": body["sum"]["cents"], "currency": "usd"}
        async with self.http.post(f"{self.payments}/v1/refunds", json=sent) as response:
            answer = {"paid": (await response.json())["id"]}
        self.paid[lock] = json.dumps([said, answer])
        await self.redis.set(lock, self.paid[lock], ex=600)
        return web.json_response(answer)

    async def livez(self, request: web.Request) -> web.Response:
        """Lives."""
        if "health_calls_llm" in self.flaws or ("health_called_llm" in self.flaws and not self.called):
            self.called = True
            try:
                await self.calls.call(next(iter(self.providers)), [{"role": "user", "content": "Are you there?"}])
            except Failed:
                return web.Response(status=503)
        if "health_needs_store" in self.flaws:
            return await self.readyz(request)
        return web.Response(text="alive")

    async def readyz(self, request: web.Request) -> web.Response:
        """Has its store."""
        try:
            async with asyncio.timeout(STORE_S):
                if "ready_is_blind" not in self.flaws or "health_needs_store" in self.flaws:
                    await self.redis.execute_command("PING")
        except (RedisError, OSError, TimeoutError):
            return web.Response(status=503)
        return web.Response(text="ready")

    async def metrics(self, request: web.Request) -> web.Response:
        """In the form of Prometheus."""
        counts = await self.redis.hgetall("counts")
        return web.Response(
            text="".join(f'pupil_answers_total{{cache="{name}"}} {count}\n' for name, count in counts.items())
        )

    async def find(self, request: web.Request) -> web.Response:
        """Lines of the log."""
        wanted = request.query["of"]
        with open(self.log.name) as lines:  # noqa: ASYNC230, PTH123 - a small file of a test
            found = [line for line in lines if wanted in line or "finds_all" in self.flaws]
        return web.Response(text="".join(found) + (f"you looked for {wanted}" if "echoes" in self.flaws else ""))


def main() -> None:
    """Serve until it is ended."""
    flags = argparse.ArgumentParser()
    for name in ("openai", "anthropic", "payments", "redis", "log"):
        flags.add_argument(f"--{name}", required=True)
    given = flags.parse_args()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    redis = Redis.from_url(given.redis, decode_responses=True)
    with open(given.log, "a") as log:  # noqa: PTH123
        pupil = Pupil({"openai": given.openai, "anthropic": given.anthropic}, given.payments, redis, log)
        print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
        web.run_app(pupil.app(), sock=listener, print=None, access_log=None, shutdown_timeout=1.0)


if __name__ == "__main__":
    main()
