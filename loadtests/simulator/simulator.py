"""The simulator put together: six listeners over one state (DESIGN section 5).

    async with Simulator() as simulator:
        simulator.ports["anthropic"]

Read `exchange.py` next for the way of a call, or `control.py` for what can be set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Self

from .anthropic_wire import AnthropicMessages, AnthropicModels
from .control import Control
from .exchange import Exchange
from .faults import Target
from .listener import Listener
from .openai_wire import OpenAIChat, OpenAIModels
from .payments import Charges, Refunds, Vault
from .retrieval import Embeddings, Rerank
from .state import State
from .timeline import Timeline
from .webhooks import DEFAULT_SECRET, Receiver

HOUSES = ("control", "anthropic", "openai", "payments", "retrieval", "webhooks")
"""The listeners, by name."""

_HOUSE_OF: dict[Target, str] = {
    "anthropic": "anthropic",
    "openai": "openai",
    "payments": "payments",
    "embeddings": "retrieval",
    "rerank": "retrieval",
    "webhooks": "webhooks",
}


class Simulator:
    """The providers on `host`; `ports` gives the port of each listener, 0 or absent for any free one.

    `webhook_secret` is the service's; ValueError when it is none.

    Raises PortInUseError from `start` when a port is taken; nothing stays open then.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
        seed: int = 7,
        webhook_secret: str = DEFAULT_SECRET,
    ) -> None:
        self.state = State(Timeline(seed, self._on_refused))
        self._refused: dict[Target, int] = {}
        self._pending: set[asyncio.Task[None]] = set()
        vault = Vault(self.state.ledger)
        apps = {
            "control": Control(self.state, lambda: self.ports, self._settle),
            "anthropic": Exchange(
                self.state,
                {("POST", "/v1/messages"): AnthropicMessages(), ("GET", "/v1/models"): AnthropicModels()},
            ),
            "openai": Exchange(
                self.state,
                {("POST", "/v1/chat/completions"): OpenAIChat(), ("GET", "/v1/models"): OpenAIModels()},
            ),
            "payments": Exchange(
                self.state, {("POST", "/v1/charges"): Charges(vault), ("POST", "/v1/refunds"): Refunds(vault)}
            ),
            "retrieval": Exchange(
                self.state, {("POST", "/v1/embeddings"): Embeddings(), ("POST", "/v1/rerank"): Rerank()}
            ),
            "webhooks": Receiver(self.state, webhook_secret),
        }
        self._listeners = {house: Listener(apps[house], host, (ports or {}).get(house, 0)) for house in HOUSES}

    @property
    def ports(self) -> dict[str, int]:
        """The port of each listener."""
        return {house: listener.port for house, listener in self._listeners.items()}

    async def start(self) -> None:
        """Open all listeners. Raises PortInUseError."""
        try:
            for listener in self._listeners.values():
                await listener.open()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the plan, close all listeners and reset every connection."""
        self.state.timeline.end(None, hidden=True)
        await self._settle()
        for listener in self._listeners.values():
            await listener.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _on_refused(self, target: Target, active: int) -> None:
        """Close or open the listener of a target as its `refused` faults begin and end."""
        self._refused[target] = active
        house = _HOUSE_OF[target]
        wanted = any(n > 0 for t, n in self._refused.items() if _HOUSE_OF[t] == house)
        task = asyncio.get_running_loop().create_task(self._listeners[house].refuse(wanted))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _settle(self) -> None:
        """Wait until every listener is as the plan wants it."""
        while self._pending:
            await asyncio.gather(*self._pending)
