"""A simulator process under test, and the clients that talk to it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import aiohttp
import anthropic
import openai

from loadtests.simulator.simulator import HOUSES

ROOT = Path(__file__).resolve().parents[3]
CLAUDE = "claude-opus-4-7"
GPT = "gpt-4o-mini"
QUESTION = "Why do retries need jitter?"
ANSWER_START = "Retries need jitter because"
UNREACHABLE_S = 20.0
ANTHROPIC_HEADERS = {"x-api-key": "key", "anthropic-version": "2026-10-21"}
OPENAI_HEADERS = {"authorization": "Bearer key"}


class SimulatorProcess:
    """`python -m loadtests.simulator` on free ports; ended by its id."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        words = arguments or tuple(word for house in HOUSES for word in (f"--{house}-port", "0"))
        self.child = subprocess.Popen(
            [sys.executable, "-m", "loadtests.simulator", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **environment},
            text=True,
        )

    def ready(self) -> dict[str, int]:
        """Wait for the ready line and return the ports."""
        assert self.child.stdout is not None
        line = json.loads(self.child.stdout.readline())
        assert line["ready"] is True
        ports: dict[str, int] = line["ports"]
        return ports

    def end(self, signum: int = signal.SIGTERM) -> float:
        """Ask it to end; return how long it took in seconds."""
        began = time.monotonic()
        self.child.send_signal(signum)
        self.child.communicate(timeout=UNREACHABLE_S)
        return time.monotonic() - began


class Lab:
    """The control API and the providers of a running simulator, as a test uses them."""

    def __init__(self, ports: dict[str, int]) -> None:
        self.ports = ports
        self.http = aiohttp.ClientSession()
        self._sdks: list[anthropic.AsyncAnthropic | openai.AsyncOpenAI] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for sdk in self._sdks:
            await sdk.close()
        await self.http.close()
        # Closed transports say goodbye in the next rounds of the loop.
        await asyncio.sleep(0.01)

    def url(self, house: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.ports[house]}{path}"

    async def control(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        async with self.http.request(method, self.url("control", path), json=body) as response:
            document = await response.json(content_type=None)
            assert response.status == expect, document
            return document

    async def reset(self) -> None:
        """Back to a healthy, quick simulator with an empty ledger."""
        await self.control("PUT", "/sim/timeline", {"seed": 7, "faults": []})
        state = await self.control("GET", "/sim/state")
        for target, times in state["latency"].items():
            if any(times.values()):
                await self.control("PUT", "/sim/latency", {"target": target})
        for target, quota in state["quotas"].items():
            if any(limit is not None for limit in quota.values()):
                await self.control("PUT", "/sim/quota", {"target": target})
        await self.control("DELETE", "/sim/ledger")

    async def fault(self, target: str, fault: str, /, *, params: dict[str, Any] | None = None, **fields: Any) -> Any:
        return await self.control(
            "POST", "/sim/faults", {"target": target, "fault": fault, "params": params or {}, **fields}
        )

    async def latency(self, target: str, **times: float) -> None:
        await self.control("PUT", "/sim/latency", {"target": target, **times})

    async def ledger(self, since: int = 0) -> dict[str, Any]:
        document: dict[str, Any] = await self.control("GET", f"/sim/ledger?since={since}")
        return document

    async def row(self) -> dict[str, Any]:
        """The only row of the ledger, once its call has ended."""
        return (await self.rows(1))[0]

    async def rows(self, n: int) -> list[dict[str, Any]]:
        """The `n` rows of the ledger, once all of them have ended."""
        async with asyncio.timeout(UNREACHABLE_S):
            while True:
                calls: list[dict[str, Any]] = (await self.ledger())["calls"]
                if len(calls) >= n and all(call["duration_s"] is not None for call in calls):
                    assert len(calls) == n, calls
                    return calls
                await asyncio.sleep(0.01)

    async def pending(self, n: int) -> list[dict[str, Any]]:
        """The rows of the ledger, once `n` calls have begun and not ended."""
        async with asyncio.timeout(UNREACHABLE_S):
            while True:
                calls: list[dict[str, Any]] = (await self.ledger())["calls"]
                if sum(call["duration_s"] is None for call in calls) == n:
                    return calls
                await asyncio.sleep(0.01)

    def anthropic(self, **options: Any) -> anthropic.AsyncAnthropic:
        options.setdefault("http_client", plain(anthropic.DefaultAioHttpClient))
        options.setdefault("api_key", "key")
        sdk = anthropic.AsyncAnthropic(base_url=self.url("anthropic"), max_retries=0, open_telemetry=False, **options)
        self._sdks.append(sdk)
        return sdk

    def openai(self, **options: Any) -> openai.AsyncOpenAI:
        options.setdefault("http_client", plain(openai.DefaultAioHttpClient))
        options.setdefault("api_key", "key")
        house = options.pop("house", "openai")
        sdk = openai.AsyncOpenAI(base_url=self.url(house, "/v1"), max_retries=0, **options)
        self._sdks.append(sdk)
        return sdk

    async def messages(self, body: dict[str, Any] | None = None, /, **headers: str) -> tuple[int, Any, Any]:
        """POST /v1/messages by hand; return status, headers and document."""
        document = {"model": CLAUDE, "max_tokens": 300, "messages": [user(QUESTION)]} if body is None else body
        return await self.post("anthropic", "/v1/messages", document, {**ANTHROPIC_HEADERS, **headers})

    async def chat(self, body: dict[str, Any] | None = None, /, **headers: str) -> tuple[int, Any, Any]:
        """POST /v1/chat/completions by hand; return status, headers and document."""
        document = {"model": GPT, "messages": [user(QUESTION)]} if body is None else body
        return await self.post("openai", "/v1/chat/completions", document, {**OPENAI_HEADERS, **headers})

    async def post(self, house: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any, Any]:
        async with self.http.post(self.url(house, path), json=body, headers=headers) as response:
            return response.status, response.headers, await response.json(content_type=None)


def plain(client: type[Any]) -> Any:
    """An SDK's client that loads no certificates, which takes 0.1 s: everything here is plain HTTP on loopback."""
    return client(verify=False)


def user(text: str) -> Any:
    """A message of the user."""
    return {"role": "user", "content": text}
