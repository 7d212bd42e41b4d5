"""The real thing for tests: Valkey, the simulator and the service as processes on free ports, and a client.

Every test that needs its own callers takes a fresh tenant (``stack.alice()``), so that tests do not meet in buckets or
cache; the breakers are reset and the simulator is emptied between tests by the fixtures of ``conftest.py``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import aiohttp
import psutil

from door import valkey
from door.errors import DoorError

from .collector import Collector

ROOT = Path(__file__).parents[1]
START_WITHIN_S = 60
COOLDOWN_S = 2.0
IDLE_S = 0.6

QUICK = f"""
# Times shortened so that tests need not wait; everything else as it ships.
[breaker]
cooldown_s = {COOLDOWN_S}
[retry]
base_s = 0.05
budget_capacity = 1000
[providers.anthropic]
idle_timeout_s = {IDLE_S}
[providers.openai]
idle_timeout_s = {IDLE_S}
[sessions]
idempotency_lease_s = 1.5
[payments]
deadline_s = 6
"""
_RUNGS = (
    '[[routes.NAME.rungs]]\nprovider = "anthropic"\nmodel = "claude-opus-4-7"\n',
    '[[routes.NAME.rungs]]\nprovider = "openai"\nmodel = "gpt-5.5"\n',
)
ROUTES = "".join(
    f'[routes.{alias}]\nbroken_stream = "{policy}"\n' + "".join(rungs).replace("NAME", alias)
    for policy in ("restart", "error", "buffer")
    for alias, rungs in ((policy, _RUNGS), (f"{policy}_openai_first", _RUNGS[::-1]))
)
"""A route per policy for broken streams, and each again with the providers the other way round."""
ROUTES += "[routes.brief]\ndeadline_s = 1\n" + "".join(_RUNGS).replace("NAME", "brief")


AT_ONCE = {
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
    "OTEL_METRIC_EXPORT_INTERVAL": "250",
}
"""Telemetry leaves sooner than by default, so that tests need not wait for it."""


class Process:
    """A child whose first line on standard output says that it is ready."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], folder: Path) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )

    def ready(self) -> dict[str, Any]:
        """The ready line; fails with the end of the log when there is none."""
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, f"{self.log.stem} ended before it was ready:\n{self.log.read_text()[-3000:]}"
        ready: dict[str, Any] = json.loads(line)
        return ready

    def lines(self, **wanted: object) -> list[dict[str, Any]]:
        """The log's JSON lines that have these values."""
        rows = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]

    @property
    def pid(self) -> int:
        """Of the process that does the work."""
        return self.popen.pid

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """SIGSTOP: it hangs."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def end(self, first: signal.Signals = signal.SIGTERM) -> None:
        """End the process and whatever it started; at once by SIGKILL."""
        for sent in (signal.SIGCONT, first, signal.SIGKILL):
            try:
                os.killpg(self.popen.pid, sent)
            except ProcessLookupError:
                break
            if sent is not signal.SIGCONT:
                try:
                    self.popen.wait(15)
                    break
                except subprocess.TimeoutExpired:
                    continue
        self.popen.wait()
        if self.popen.stdout is not None:
            self.popen.stdout.close()


class Worker(Process):
    """``python -m service.worker``: what is killed or stopped is the process that it keeps at work."""

    @property
    def pid(self) -> int:
        (pid,) = forked_by(self.popen.pid)
        return pid


def forked_by(parent: int) -> list[int]:
    """The processes that were forked from a server that has the application imported (service/__main__.py)."""
    servers = [c for c in psutil.Process(parent).children() if "forkserver" in " ".join(c.cmdline())]
    return [child.pid for server in servers for child in server.children()]


class Valkey:
    """A Valkey server on a port of its own that can be killed, stopped and brought back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Start the server, as the workbench does, and wait until it answers."""
        data = self._folder / "valkey"
        data.mkdir(exist_ok=True)
        with (self._folder / "valkey.log").open("ab") as log:
            self._popen = subprocess.Popen(valkey.command(self.port, data), stdout=log, stderr=log)
        wait_for(self._answers, "Valkey")

    def _answers(self) -> bool:
        try:
            valkey.ping(self.url)
        except DoorError:
            return False
        return True

    def kill(self) -> None:
        """kill -9."""
        self._popen.kill()
        self._popen.wait()

    def stop(self) -> None:
        """SIGSTOP: it hangs."""
        self._popen.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._popen.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """End it for good."""
        self.go_on()
        self._popen.terminate()
        self._popen.wait(15)


@dataclass(slots=True)
class Answer:
    """A response, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes
    took_s: float

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def worker(self) -> str:
        """Which worker answered."""
        return self.headers["x-worker"]


@dataclass(slots=True)
class Caller:
    """A user of the service; every request on a fresh connection, so that both workers serve."""

    stack: Stack
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """Authorization."""
        return {"Authorization": f"Bearer {self.key}"}

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request; ``body`` as JSON or ``data`` as it is."""
        return await self.stack.request(
            method, self.stack.url + path, body, data=data, headers={**self.headers, **(headers or {})}
        )

    async def chat(self, text: str = "", *, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        """POST /chat; a question of its own when no text is given."""
        text = text or f"What does note n{uuid.uuid4().hex[:12]} say about retries?"
        return await self.request("POST", "/chat", {"text": text, **more}, headers=headers)

    async def refund(self, key: str, **body: Any) -> Answer:
        """POST /refund."""
        given = {"charge": "ch_1", "amount": 1250, "currency": "usd", **body}
        return await self.request("POST", "/refund", given, headers={"Idempotency-Key": key})

    async def events(self, path: str, body: Any) -> list[tuple[str, Any]]:
        """The server-sent events of one stream as (event, data); OpenAI's nameless events are called ``data``."""
        answer = await self.request("POST", path, body)
        assert answer.status == 200, answer.body
        return parse_events(answer.body)

    async def stream(self, text: str = "", **more: Any) -> list[tuple[str, Any]]:
        """POST /chat/stream, read to its end."""
        text = text or f"What does note n{uuid.uuid4().hex[:12]} say about breakers?"
        return await self.events("/chat/stream", {"text": text, **more})


def parse_events(body: bytes) -> list[tuple[str, Any]]:
    """Server-sent events as (event, data), data parsed where it is JSON."""
    rows: list[tuple[str, Any]] = []
    for block in body.decode().split("\n\n"):
        if not block.strip():
            continue
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        data = fields["data"]
        rows.append((fields.get("event", "data"), data if data == "[DONE]" else json.loads(data)))
    return rows


@dataclass(slots=True)
class Simulator:
    """The simulator's control API."""

    stack: Stack
    url: str
    ports: dict[str, int]

    async def fault(self, target: str, fault: str, **more: Any) -> None:
        """Start a fault now: ``for_s``, ``times``, ``share``, ``match``; everything else goes into ``params``."""
        known = {name: more.pop(name) for name in ("for_s", "times", "share", "match") if name in more}
        answer = await self.stack.request(
            "POST", f"{self.url}/sim/faults", {"target": target, "fault": fault, **known, "params": more}
        )
        assert answer.status < 300, answer.body

    async def heal(self, target: str | None = None) -> None:
        """End faults."""
        query = f"?target={target}" if target else ""
        answer = await self.stack.request("DELETE", f"{self.url}/sim/faults{query}")
        assert answer.status < 300, answer.body

    async def latency(self, target: str, *, first_token_ms: float = 5, per_token_ms: float = 0) -> None:
        """Set a provider's latency."""
        body = {"target": target, "first_token_ms": first_token_ms, "per_token_ms": per_token_ms, "sigma": 0}
        answer = await self.stack.request("PUT", f"{self.url}/sim/latency", body)
        assert answer.status < 300, answer.body

    async def calls(self, target: str | None = None) -> list[dict[str, Any]]:
        """The ledger's calls, oldest first."""
        rows = (await self._ledger())["calls"]
        return [row for row in rows if target in (None, row["target"])]

    async def charges(self) -> list[dict[str, Any]]:
        """The ledger's money movements."""
        charges: list[dict[str, Any]] = (await self._ledger())["charges"]
        return charges

    async def webhooks(self) -> list[dict[str, Any]]:
        """The ledger's webhooks, oldest first."""
        webhooks: list[dict[str, Any]] = (await self._ledger())["webhooks"]
        return webhooks

    @property
    def receiver(self) -> str:
        """The URL of the receiver of webhooks."""
        return f"http://127.0.0.1:{self.ports['webhooks']}/webhooks"

    async def _ledger(self) -> dict[str, Any]:
        answer = await self.stack.request("GET", f"{self.url}/sim/ledger")
        ledger: dict[str, Any] = answer.json()
        return ledger

    async def reset(self) -> None:
        """No faults, quick answers, an empty ledger."""
        await self.heal()
        for target in ("anthropic", "openai", "payments", "webhooks", "embeddings", "rerank"):
            await self.latency(target)
        answer = await self.stack.request("DELETE", f"{self.url}/sim/ledger")
        assert answer.status < 300, answer.body


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
            for _ in range(worker):
                started.callback(stack.start_worker().end)
            started.pop_all()
            return stack

    @classmethod
    def _start(
        cls, folder: Path, workers: int, toml: str, env: dict[str, str], payments: bool, started: ExitStack
    ) -> Self:
        """Start all; what was started is ended again when something does not come up."""
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
        url = service.ready()["url"]
        return cls(folder, valkey, simulator, service, url, sim_ports, service_env)

    def start_worker(self) -> Worker:
        """One more process that works through the queue; with what ``Process`` can do it is killed or stopped."""
        name = f"worker{len(self.work)}"
        process = Worker(name, [sys.executable, "-m", "service.worker"], self.environment, self.folder)
        self.work.append(process)
        process.ready()
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


async def eventually(true: Callable[[], Any], what: object, *, within_s: float = 15.0, every_s: float = 0.02) -> None:
    """Wait until ``true()`` (awaited) holds; looked at each ``every_s``; fails after ``within_s``."""
    end_s = time.monotonic() + within_s
    while not await true():
        assert time.monotonic() < end_s, f"waited {within_s} s in vain for {what}"
        await asyncio.sleep(every_s)


def wait_for(true: Callable[[], bool], what: str, *, within_s: float = START_WITHIN_S) -> None:
    """The same without a loop."""
    end_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end_s, f"waited {within_s} s in vain for {what}"
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def at_once(count: int, make: Callable[[int], Any]) -> list[Any]:
    """``count`` coroutines at once, their results in order."""
    return list(await asyncio.gather(*(make(number) for number in range(count))))
