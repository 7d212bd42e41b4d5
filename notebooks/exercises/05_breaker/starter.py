"""Exercise 5: a circuit breaker.

This one counts failures, opens, and after the cool-down lets everybody in: the shape of the chapter's. It is nearly
right for one process whose callers queue up. `gauntlet learn check 5` judges this file by what reaches the provider.
Change what you like, but keep the names and parameters of what stands here.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from redis.asyncio import Redis

FAILURES = 5
"""So many in a row open the circuit."""
COOLDOWN_S = 30.0
"""So long nobody calls."""
LEASE_S = 10.0
"""So long a probe may take; calls time out well before."""

T = TypeVar("T")


class ProviderError(Exception):
    """A call failed: with an HTTP status, or None where no answer came."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


class CircuitOpen(Exception):
    """The provider was not called; it may be worth asking again in `retry_in_s` seconds."""

    def __init__(self, retry_in_s: float) -> None:
        super().__init__(f"open, ask again in {retry_in_s:.1f} s")
        self.retry_in_s = retry_in_s


class Clock(Protocol):
    """Time, as the checks give it: all replicas read the same one."""

    def now(self) -> float: ...


class CircuitBreaker:
    """The circuit of one provider. `store` is a client of the Valkey that all replicas use."""

    def __init__(self, provider: str, *, store: Redis, clock: Clock) -> None:
        self.provider, self.store, self.clock = provider, store, clock
        self.failures = 0
        self.opened_at_s: float | None = None

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` returns or raises. Raises CircuitOpen where it was not called."""
        if self.opened_at_s is not None:
            left_s = self.opened_at_s + COOLDOWN_S - self.clock.now()
            if left_s > 0:
                raise CircuitOpen(left_s)
        try:
            answer = await call()
        except ProviderError:
            self.failures += 1
            if self.failures >= FAILURES:
                self.opened_at_s = self.clock.now()
            raise
        self.failures, self.opened_at_s = 0, None
        return answer
