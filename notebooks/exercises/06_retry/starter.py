"""Exercise 6: one call with retries.

`gauntlet learn check 6` judges this file by what reaches the provider. Change what you like, but keep the names and
parameters of what stands here.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


class ProviderError(Exception):
    """A call failed: with an HTTP status, or None where no answer came; 429 may say how long to wait."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


class Clock(Protocol):
    """Time, as the checks give it: use it for every wait, and a check takes no time at all."""

    def now(self) -> float: ...

    async def sleep(self, delay_s: float) -> None: ...


@dataclass
class Budget:
    """Retries that may still be made; shared by all calls of a process."""

    tokens: float = 10.0


async def call_with_retry(
    call: Callable[[], Awaitable[str]],
    *,
    clock: Clock,
    rng: random.Random,
    budget: Budget,
    deadline_s: float,
    attempts: int = 4,
) -> str:
    """The answer of `call`, tried at most `attempts` times, not past `deadline_s` of the clock. Raises ProviderError."""
    return await call()
