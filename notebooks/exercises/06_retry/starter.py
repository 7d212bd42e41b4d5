"""Exercise 6: one call with retries.

`gauntlet learn check 6` judges this file by what reaches the provider. Change what you like, but keep the names and
parameters of what stands here.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

BASE_S, CAP_S = 0.2, 2.0
"""The first wait is at most BASE_S; the most doubles with each further one, up to CAP_S."""
PAYBACK = 0.2
"""What a call that succeeds pays back into the budget; a retry costs 1."""


class ProviderError(Exception):
    """A call failed: with an HTTP status, or None where no answer came; `retry_after_s` is what it asked for."""

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
    """The answer of `call`, tried at most `attempts` times, no try after the moment `deadline_s` of the clock.

    Raises what the last call raised.
    """
    return await call()
