"""The store as the rest of the service sees it: it answers quickly, or says at once that it is away.

After two failures in a row (a timeout, a refused or lost connection) commands are not tried for ``skip_s``; then one
prober, not a request, looks whether the store is back. So a Redis that hangs costs a request two timeouts at most
(DESIGN, section 3). Next: ``script.py``.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context  # of no request: these tasks outlive the one that began them
from typing import Any

import structlog
from redis.exceptions import NoScriptError, RedisError, ResponseError

from ..clock import Clock
from ..errors import StoreUnavailable
from .connection import Argument, Multiplexed, StoreTimeout

log = structlog.get_logger(__name__)


class Store:
    """Redis behind a guard. ``execute`` raises StoreUnavailable, and NoScriptError for ``script.py`` alone."""

    def __init__(self, connection: Multiplexed, *, failures: int, skip_s: float, clock: Clock) -> None:
        self._connection = connection
        self._limit = failures
        self._skip_s = skip_s
        self._clock = clock
        self._failures = 0
        self._last_error: Exception | None = None
        self._prober: asyncio.Task[None] | None = None
        self._on_return: list[Callable[[], None]] = []

    @property
    def away(self) -> bool:
        """Whether commands are being skipped."""
        return self._prober is not None

    def on_return(self, hook: Callable[[], None]) -> None:
        """Call ``hook`` each time the store is found again after it was away."""
        self._on_return.append(hook)

    async def execute(self, *arguments: Argument) -> Any:
        """Carry out one command. Raises StoreUnavailable; a write may have happened all the same."""
        if self._prober is not None:
            raise StoreUnavailable("Redis is away; the service looks for it twice a second", retry_after_s=1.0)
        try:
            answer = await self._connection.execute(*arguments)
        except NoScriptError:
            raise
        except ResponseError as error:
            log.error(  # noqa: TRY400 - Redis said why; a stack would not
                "store_refused", command=str(arguments[0]), error=str(error)
            )
            raise StoreUnavailable(f"Redis refused a command: {error}", retry_after_s=1.0) from None
        except (StoreTimeout, RedisError, OSError) as error:
            self._failed(error)
            raise StoreUnavailable(f"Redis is away: {error or type(error).__name__}", retry_after_s=1.0) from None
        self._failures = 0
        return answer

    def _failed(self, error: Exception) -> None:
        if error is self._last_error:  # one lost connection fails all its commands, and is one failure
            return
        self._last_error = error
        self._failures += 1
        if self._failures >= self._limit and self._prober is None:
            log.error("store_away", error=str(error) or type(error).__name__, skipped_for_s=self._skip_s)
            self._prober = asyncio.create_task(self._probe(), context=Context())

    async def _probe(self) -> None:
        while True:
            await self._clock.sleep(self._skip_s)
            try:
                await self._connection.execute("PING")
            except (StoreTimeout, RedisError, OSError):
                continue
            break
        self._failures = 0
        self._prober = None
        log.info("store_back")
        for hook in self._on_return:
            hook()

    async def aclose(self) -> None:
        """End the prober and the connection."""
        if self._prober is not None:
            self._prober.cancel()
        await self._connection.aclose()
