"""What is written after an answer, without the answer waiting for it.

One queue per worker: hooks that end a request post coroutines here; they start in the same loop turn, so their
commands leave in one write, and shutdown waits for all of them (DESIGN, section 2).
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from ..errors import StoreUnavailable

log = structlog.get_logger(__name__)


class Settle:
    """The worker's settle queue."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, work: Coroutine[Any, Any, Any], what: str) -> None:
        """Start ``work``; a store that is away loses it (the guard said so in the log already)."""
        task = asyncio.create_task(self._run(work, what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, work: Coroutine[Any, Any, Any], what: str) -> None:
        try:
            await work
        except StoreUnavailable as error:
            log.debug("not_settled", what=what, reason=error.message)

    async def drain(self) -> None:
        """Wait for everything that was posted."""
        while posted := list(self._tasks):
            await asyncio.gather(*posted)
            self._tasks.difference_update(posted)
