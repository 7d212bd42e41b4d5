"""A good breaker, in the memory of one process: each replica has its own."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from redis.asyncio import Redis

FAILURES = 5
COOLDOWN_S = 30.0
LEASE_S = 10.0

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
    def now(self) -> float: ...


def counts(error: ProviderError) -> bool:
    """Whether an error says that the provider is ill: no answer, too slow an answer, or its own fault."""
    return error.status is None or error.status == 408 or error.status >= 500


class CircuitBreaker:
    """The circuit of one provider, in this process."""

    def __init__(self, provider: str, *, store: Redis, clock: Clock) -> None:
        self._clock = clock
        self._failures, self._generation = 0, 0
        self._until_s: float | None = None

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` returns or raises. Raises CircuitOpen where it was not called."""
        now_s = self._clock.now()
        if self._until_s is not None:
            if self._until_s > now_s:
                raise CircuitOpen(self._until_s - now_s)
            self._until_s = now_s + LEASE_S
            self._generation += 1
        generation, verdict = self._generation, "none"
        try:
            answer = await call()
        except ProviderError as error:
            verdict = "failure" if counts(error) else "none"
            raise
        else:
            verdict = "success"
            return answer
        finally:
            if generation == self._generation:
                self._judge(verdict)

    def _judge(self, verdict: str) -> None:
        is_probe = self._until_s is not None
        if verdict == "failure":
            self._failures += 1
            if is_probe or self._failures >= FAILURES:
                self._until_s = self._clock.now() + COOLDOWN_S
                self._generation += 1
        elif verdict == "success":
            self._failures, self._until_s = 0, None
            self._generation += is_probe
        elif is_probe:
            self._until_s = self._clock.now()
