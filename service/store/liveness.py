"""That this worker lives, in one key that the whole fleet can read.

Leases name the worker that holds them, and hold while it lives: a heartbeat of one command, however many leases. (A
renewal per lease cost a tenth of the CPU at 2,000 calls under way; ``docs/adr/0006``.) A worker killed with -9 is dead
to the others within ``LIFE_S``. Next: ``../stages/cache.py``.
"""

import asyncio
from collections.abc import Callable

from ..clock import Clock
from ..errors import StoreUnavailable
from .guard import Store

LIFE_S = 1.0
BEAT_S = 0.3


class Liveness:
    """``worker`` is this process's name in the fleet."""

    def __init__(self, store: Store, *, worker: str, clock: Clock) -> None:
        self.worker = worker
        self._store = store
        self._clock = clock
        self._hooks: list[Callable[[], None]] = []
        self._beating: asyncio.Task[None] | None = None

    def on_beat(self, hook: Callable[[], None]) -> None:
        """Call ``hook`` after each heartbeat that reached the store."""
        self._hooks.append(hook)

    async def start(self) -> None:
        """Be alive from now on."""
        await self._beat()
        self._beating = asyncio.create_task(self._keep_beating())

    async def _keep_beating(self) -> None:
        while True:
            await self._clock.sleep(BEAT_S)
            await self._beat()

    async def _beat(self) -> None:
        try:
            await self._store.execute("SET", _key(self.worker), 1, "PX", round(LIFE_S * 1000))
        except StoreUnavailable:
            return
        for hook in self._hooks:
            hook()

    async def lives(self, worker: str) -> bool:
        """Whether ``worker`` was heard of within ``LIFE_S``. Raises StoreUnavailable."""
        return bool(await self._store.execute("EXISTS", _key(worker)))

    async def aclose(self) -> None:
        """Stop beating."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)


def _key(worker: str) -> str:
    return f"alive:{worker}"
