"""Stage switches: turn a stage off and see what it was worth.

A request snapshots the switches at entry. They live in Redis, are published to every worker, and each worker
acknowledges a version as soon as it has it, so that ``PUT /admin/stages`` can say when all live workers have it.
Next: ``chain.py``.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from ..clock import Clock
from ..settings import SWITCHES
from ..store.guard import Store
from ..store.replica import CHANNEL, Fields, Replica
from ..store.script import Script

KEY = "switches"
WORKERS = "workers"
ALIVE_S = 3.0
"""A worker that has not been heard of for three refreshes is not waited for."""


class Switches:
    """The worker's copy; ``off`` is replaced as a whole, never changed."""

    def __init__(
        self,
        store: Store,
        replica: Replica,
        *,
        worker: str,
        clock: Clock,
        changed: Callable[[int, list[str]], None] = lambda version, off: None,
    ) -> None:
        """``changed`` hears when other stages are off than before: the version, and which those are."""
        self._store = store
        self._script = Script(store, __package__, "switches")
        self._clock = clock
        self._worker = worker
        self._changed = changed
        self._version = 0
        self._acknowledging: asyncio.Task[Any] | None = None
        self.off: frozenset[str] = frozenset()
        replica.follow(KEY, self._adopt, version=lambda: self._version)
        replica.beat(lambda: [self._heartbeat()])

    def _adopt(self, fields: Fields) -> None:
        self._version = int(fields.get("version", 0))
        off = frozenset(name for name in SWITCHES if fields.get(name) == "off")
        is_new, self.off = off != self.off, off
        if is_new:
            self._changed(self._version, [name for name in SWITCHES if name in off])
        # Also of what was read: the message that comes after it is no news any more, and somebody waits.
        self._acknowledging = asyncio.create_task(self._acknowledge())

    def _heartbeat(self) -> tuple[str, str, str, str]:
        return "HSET", WORKERS, self._worker, f"{self._clock.time():.3f} {self._version}"

    async def _acknowledge(self) -> None:
        await asyncio.gather(self._store.execute(*self._heartbeat()), return_exceptions=True)

    async def put(self, wanted: dict[str, bool], *, wait_s: float = 1.0) -> list[str]:
        """Switch stages on or off for the fleet; the live workers that have not acknowledged within ``wait_s``.

        Raises StoreUnavailable.
        """
        pairs = [part for name, on in wanted.items() for part in (name, "on" if on else "off")]
        version = int(await self._script((KEY,), CHANNEL, *pairs))
        end_s = self._clock.monotonic() + wait_s
        while missing := await self._missing(version):
            if self._clock.monotonic() >= end_s:
                break
            await self._clock.sleep(0.02)
        return missing

    async def _missing(self, version: int) -> list[str]:
        flat = await self._store.execute("HGETALL", WORKERS)
        missing = []
        for worker, beat in zip(flat[::2], flat[1::2], strict=True):
            seen_s, has = beat.decode().split()
            silent_s = self._clock.time() - float(seen_s)
            if silent_s > 20 * ALIVE_S:
                await self._store.execute("HDEL", WORKERS, worker)
            elif silent_s <= ALIVE_S and int(has) < version:
                missing.append(worker.decode())
        return missing

    def snapshot(self) -> dict[str, bool]:
        """Each stage and whether it is on."""
        return {name: name not in self.off for name in SWITCHES}

    async def leave(self) -> None:
        """This worker ends, and its replica has: nobody need wait for it."""
        if self._acknowledging is not None:
            await self._acknowledging
        await asyncio.gather(self._store.execute("HDEL", WORKERS, self._worker), return_exceptions=True)
