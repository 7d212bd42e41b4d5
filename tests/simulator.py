"""What tests tell the simulator, and what they read there: faults, latency, the ledger. `Stack.sim` has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .stack import Stack


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
