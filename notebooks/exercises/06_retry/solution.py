"""One way to do exercise 6."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

BASE_S, CAP_S = 0.2, 2.0


class ProviderError(Exception):
    """A call failed: with an HTTP status, or None where no answer came; 429 may say how long to wait."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


class Clock(Protocol):
    def now(self) -> float: ...

    async def sleep(self, delay_s: float) -> None: ...


@dataclass
class Budget:
    """Retries that may still be made; shared by all calls of a process."""

    tokens: float = 10.0

    def take(self) -> bool:
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def is_retryable(error: ProviderError) -> bool:
    return error.status is None or error.status in (408, 429) or error.status >= 500


async def call_with_retry(
    call: Callable[[], Awaitable[str]],
    *,
    clock: Clock,
    rng: random.Random,
    budget: Budget,
    deadline_s: float,
    attempts: int = 4,
) -> str:
    for number in range(attempts):
        try:
            return await call()
        except ProviderError as error:
            wait_s = rng.uniform(0, min(CAP_S, BASE_S * 2**number))
            wait_s = max(wait_s, error.retry_after_s or 0.0)
            late = clock.now() + wait_s >= deadline_s
            if number == attempts - 1 or not is_retryable(error) or late or not budget.take():
                raise
            await clock.sleep(wait_s)
    raise AssertionError
