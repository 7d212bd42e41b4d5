"""One way to do exercise 6."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

BASE_S, CAP_S = 0.2, 2.0
PAYBACK = 0.2


class ProviderError(Exception):
    """A call failed: with an HTTP status, or None where no answer came; `retry_after_s` is what it asked for."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


class Clock(Protocol):
    def now(self) -> float: ...

    async def sleep(self, delay_s: float) -> None: ...


@dataclass
class Budget:
    """Retries that may still be made; shared by all calls of a process. It begins full."""

    tokens: float = 10.0

    def __post_init__(self) -> None:
        self._full = self.tokens

    def take(self) -> bool:
        """Pay for one retry, if there is enough."""
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def pay_back(self) -> None:
        """A call succeeded. What fails pays nothing: in an outage there is only what was there when it began."""
        self.tokens = min(self._full, self.tokens + PAYBACK)


def is_retryable(error: ProviderError) -> bool:
    """Whether the same call may succeed a moment later."""
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
    """The answer of `call`, tried at most `attempts` times, no try after the moment `deadline_s` of the clock.

    Raises what the last call raised.
    """
    for attempt in range(1, attempts + 1):
        try:
            answer = await call()
        except ProviderError as error:
            jitter_s = rng.uniform(0, min(CAP_S, BASE_S * 2 ** (attempt - 1)))
            # On top of what the provider asks for, or all whom it told the same would come back together.
            wait_s = (error.retry_after_s or 0.0) + jitter_s
            is_last = attempt == attempts or clock.now() + wait_s >= deadline_s
            if is_last or not is_retryable(error) or not budget.take():
                raise
        else:
            budget.pay_back()
            return answer
        await clock.sleep(wait_s)
    raise ValueError(f"attempts: expected at least 1, got {attempts}")
