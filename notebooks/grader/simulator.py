"""What a probe tells the simulator, and what it reads in its ledger (DESIGN section 5). Read `providers.py` next.

Faults of exercises count calls (`times`) rather than seconds, so that they hit the same calls on every machine.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from .clock import Clock

SETTLES_S = 1.0
"""A row may be open a moment after its answer was read; one of a call that hangs stays open."""
TARGETS = ("anthropic", "openai", "payments")
PLAN = ("for_s", "times", "share", "match")


@dataclass(frozen=True, slots=True)
class Places:
    """Base URLs: of the control API, and of each target."""

    control: str
    anthropic: str
    openai: str
    payments: str


class Simulator:
    """The simulator's control API, for probes; the clock stands while one of them asks."""

    def __init__(self, http: aiohttp.ClientSession, places: Places, clock: Clock) -> None:
        self._http, self.places, self._clock = http, places, clock

    async def reset(self) -> None:
        """No faults, instant answers, an empty ledger."""
        await self._send("DELETE", "/sim/faults")
        for target in TARGETS:
            await self.latency(target)
        await self._send("DELETE", "/sim/ledger")

    async def fault(self, target: str, name: str, **more: Any) -> None:
        """Begin a fault: `times`, `share`, `match` as in DESIGN; everything else goes into its params.

        `fault("anthropic", "status", status=503, times=2)` spoils the next two calls.
        """
        plan = {key: more.pop(key) for key in PLAN if key in more}
        await self._send("POST", "/sim/faults", {"target": target, "fault": name, **plan, "params": more})

    async def heal(self, target: str | None = None) -> None:
        """End the faults of a target, or all."""
        await self._send("DELETE", f"/sim/faults?target={target}" if target else "/sim/faults")

    async def latency(self, target: str, first_token_ms: float = 0, per_token_ms: float = 0) -> None:
        """How long a target takes, by the wall clock."""
        body = {"target": target, "first_token_ms": first_token_ms, "per_token_ms": per_token_ms, "sigma": 0}
        await self._send("PUT", "/sim/latency", body)

    async def calls(self, target: str | None = None, *, settles_s: float = SETTLES_S) -> list[dict[str, Any]]:
        """The ledger's calls, oldest first, with the fields of DESIGN section 5; waits a while for open rows."""
        until = time.monotonic() + settles_s
        while True:
            rows = [row for row in (await self._send("GET", "/sim/ledger"))["calls"] if target in (None, row["target"])]
            if all(row["duration_s"] is not None for row in rows) or time.monotonic() > until:
                return rows
            await asyncio.sleep(0.02)

    async def until_open(self, target: str, within_s: float) -> bool:
        """Wait, at most so long, until a call of a target is under way; whether one is."""
        until = time.monotonic() + within_s
        while all(row["duration_s"] is not None for row in await self.calls(target, settles_s=0)):
            if time.monotonic() > until:
                return False
        return True

    async def charges(self) -> list[dict[str, Any]]:
        """The ledger's movements of money, oldest first: `t`, `idempotency_key`, `amount`, `currency`."""
        charges: list[dict[str, Any]] = (await self._send("GET", "/sim/ledger"))["charges"]
        return charges

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        sent = None if body is None else json.dumps(body)
        url = self.places.control + path
        with self._clock.busy():
            async with self._http.request(method, url, data=sent) as answer:
                text = await answer.text()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path} {sent or ''}: {answer.status} {text}")
        document: dict[str, Any] = json.loads(text) if text else {}
        return document
