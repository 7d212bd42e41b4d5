"""The real thing for tests: Valkey, the simulator and the service as processes on free ports, and a client.

Every test that needs its own callers takes a fresh tenant (``stack.caller()``), so that tests do not meet in buckets or
cache; the breakers are reset and the simulator is emptied between tests by the fixtures of ``conftest.py``.
Read ``settings.py`` (what the service is set to), ``process.py``, ``answer.py`` and ``waiting.py`` next.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import aiohttp

from .answer import Answer
from .caller import Caller
from .collector import Collector
from .process import Process, Worker, forked_by
from .settings import AT_ONCE, QUICK, ROUTES
from .simulator import Simulator
from .valkey import Valkey
from .waiting import at_once, eventually


@dataclass(slots=True)
class Stack:
    """Everything, and callers for it."""

    folder: Path
    valkey: Valkey
    simulator_process: Process
    service: Process
    url: str
    simulator_ports: dict[str, int]
    environment: dict[str, str] = field(default_factory=dict)
    work: list[Process] = field(default_factory=list)
    collector: Collector | None = None
    session: aiohttp.ClientSession | None = None
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        workers: int = 2,
        toml: str = QUICK + ROUTES,
        env: dict[str, str] | None = None,
        payments: bool = True,
        worker: int = 0,
        collector: Collector | None = None,
    ) -> Self:
        """Start all; each process on a free port. The service knows of ``payments``, or does not.

        It tells the ``collector`` what happens; without one it tells nobody. ``worker``: so many processes that work
        through the queue; without any there is no queue, and none of the endpoints that need one.
        """
        told = {"OTEL_SDK_DISABLED": "true"}
        if collector is not None:
            told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **AT_ONCE}
        with ExitStack() as started:
            told["GAUNTLET_QUEUE__ENABLED"] = str(bool(worker)).lower()
            stack = cls._start(folder, workers, toml, {**told, **(env or {})}, payments, started)
            stack.collector = collector
            for _ in range(worker):  # their imports take as long as the service's, so beside it
                started.callback(stack._begin_worker().end)
            stack.url = stack.service.ready()["url"]
            for process in stack.work:
                process.ready()
            started.pop_all()
            return stack

    @classmethod
    def _start(
        cls, folder: Path, workers: int, toml: str, env: dict[str, str], payments: bool, started: ExitStack
    ) -> Self:
        """Begin all but the workers; what was started is ended again when something does not come up."""
        folder.mkdir(parents=True, exist_ok=True)
        valkey = Valkey(folder)
        started.callback(valkey.end)
        ports = [
            part
            for name in ("control", "anthropic", "openai", "payments", "retrieval", "webhooks")
            for part in (f"--{name}-port", "0")
        ]
        simulator = Process("simulator", [sys.executable, "-m", "loadtests.simulator", *ports], {}, folder)
        started.callback(simulator.end)
        sim_ports = simulator.ready()["ports"]
        config = folder / "gauntlet.toml"
        config.write_text(toml)
        service_env = {
            "GAUNTLET_CONFIG": str(config),
            "REDIS_URL": valkey.url,
            "GAUNTLET_PROVIDERS__ANTHROPIC__BASE_URL": f"http://127.0.0.1:{sim_ports['anthropic']}",
            "GAUNTLET_PROVIDERS__OPENAI__BASE_URL": f"http://127.0.0.1:{sim_ports['openai']}/v1",
            "GAUNTLET_RETRIEVAL__EMBEDDINGS__BASE_URL": f"http://127.0.0.1:{sim_ports['retrieval']}/v1",
            "GAUNTLET_RETRIEVAL__RERANK__BASE_URL": f"http://127.0.0.1:{sim_ports['retrieval']}/v1",
            **({"GAUNTLET_PAYMENTS__BASE_URL": f"http://127.0.0.1:{sim_ports['payments']}"} if payments else {}),
            **env,
        }
        command = [sys.executable, "-m", "service", "--port", "0", "--workers", str(workers)]
        service = Process("service", command, service_env, folder)
        started.callback(service.end)
        return cls(folder, valkey, simulator, service, "", sim_ports, service_env)

    def start_worker(self) -> Worker:
        """One more process that works through the queue; with what ``Process`` can do it is killed or stopped."""
        process = self._begin_worker()
        process.ready()
        return process

    def _begin_worker(self) -> Worker:
        name = f"worker{len(self.work)}"
        process = Worker(name, [sys.executable, "-m", "service.worker"], self.environment, self.folder)
        self.work.append(process)
        return process

    def end(self) -> None:
        """End every process."""
        for process in self.work:
            process.end()
        self.service.end()
        self.simulator_process.end()
        self.valkey.end()

    async def __aenter__(self) -> Self:
        # force_close: each request on its own connection, so that the kernel spreads them over the workers.
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        self.session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.session is not None
        await self.session.close()

    async def request(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request on a fresh connection."""
        assert self.session is not None
        begun = time.monotonic()
        given = json.dumps(body).encode() if body is not None else data
        async with self.session.request(method, url, data=given, headers=headers) as response:
            read = await response.read()
            low = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, low, read, time.monotonic() - begun)

    @property
    def sim(self) -> Simulator:
        """The simulator's control API."""
        return Simulator(self, f"http://127.0.0.1:{self.simulator_ports['control']}", self.simulator_ports)

    async def told(self, query: str, *, rows: int = 1) -> list[dict[str, Any]]:
        """What the collector has, as soon as it has so many rows."""
        collector, found = self.collector, list[dict[str, Any]]()
        assert collector is not None

        async def there() -> bool:
            found[:] = await asyncio.to_thread(collector.sql, query)
            return len(found) >= rows

        await eventually(there, f"{rows} rows of {query}")
        return found

    def caller(self, tenant: str | None = None, user: str = "alice") -> Caller:
        """A user; of a tenant of its own when none is named."""
        tenant = tenant or f"t{next(self._numbers)}x{uuid.uuid4().hex[:8]}"
        return Caller(self, f"demo-{tenant}-{user}")

    @asynccontextmanager
    async def at_each_worker(self, caller: Caller) -> AsyncIterator[list[Caller]]:
        """The same user once per worker, each on a connection that stays open."""
        found: dict[str, Caller] = {}
        async with AsyncExitStack() as sessions:

            async def all_found() -> bool:
                session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))
                there = Caller(replace(self, session=await sessions.enter_async_context(session)), caller.key)
                found.setdefault((await there.request("GET", "/ready")).worker, there)
                return len(found) == len(self.workers())

            await eventually(all_found, "a connection to each worker")
            yield list(found.values())

    @property
    def admin(self) -> Caller:
        """The admin."""
        return Caller(self, "demo-admin")

    def workers(self) -> list[int]:
        """The worker processes' ids."""
        return forked_by(self.service.popen.pid)

    async def breakers(self) -> dict[str, str]:
        """Each provider's state, as one worker knows it."""
        rows = (await self.admin.request("GET", "/admin/breakers")).json()["breakers"]
        return {row["provider"]: row["state"] for row in rows}

    async def reset(self) -> None:
        """Breakers closed in both workers, the simulator empty."""
        await self.sim.reset()
        await self.close_breakers()

    async def switch(self, **stages: bool) -> None:
        """Turn stages on or off, and wait until each worker knows."""
        answer = await self.admin.request("PUT", "/admin/stages", stages)
        assert answer.status == 200, answer.body
        await self._all_workers("/admin/stages", lambda told: stages.items() <= told["stages"].items(), f"{stages}")

    async def close_breakers(self) -> None:
        """Close every circuit, and wait until each worker knows: without its subscription one re-reads in a second."""
        answer = await self.admin.request("POST", "/admin/breakers/reset", {})
        assert answer.status == 200, answer.body

        def closed(told: dict[str, Any]) -> bool:
            return all(row["state"] == "closed" and not row["paused_for_s"] for row in told["breakers"])

        await self._all_workers("/admin/breakers", closed, "that the breakers are closed")

    async def _all_workers(self, path: str, true: Callable[[Any], bool], what: str) -> None:
        """Wait until each worker has answered something of which ``true`` holds."""
        seen: set[str] = set()
        workers = self.workers()

        async def all_know() -> bool:
            for answer in await at_once(4, lambda _: self.admin.request("GET", path)):
                if true(answer.json()):
                    seen.add(answer.worker)
            return len(seen) == len(workers)

        await eventually(all_know, f"all workers to know {what}")
