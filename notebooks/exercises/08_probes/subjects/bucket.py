"""A desk that is right: a token bucket per tenant, and one task per question that whoever asks meanwhile waits for.

Answers are kept for 59 s; a call that fails was a call. Read `window.py` next: as right, and another thing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

KEPT_S = 59.0
CALLS, REFILL_S = 5.0, 2.0
A_LITTLE = 1e-9
"""Times are floats: ten seconds may be a hair less."""


class Desk:
    """The one with a token bucket, which keeps answers for 59 s"""

    def __init__(self, call: Callable[[str], Awaitable[str]], clock: Any, too_many: type[Exception]) -> None:
        self.call, self.clock, self.too_many = call, clock, too_many
        self.answers: dict[tuple[str, str], tuple[float, str]] = {}
        self.under_way: dict[tuple[str, str], asyncio.Future[str]] = {}
        self.buckets: dict[str, tuple[float, float]] = {}

    async def ask(self, tenant: str, question: str) -> str:
        key = self.key(tenant, question)
        if (answer := self.kept(key)) is not None:
            return answer
        if key not in self.under_way:
            self.take(tenant)
            self.under_way[key] = asyncio.ensure_future(self.answered(key, question))
        return await asyncio.shield(self.under_way[key])

    async def answered(self, key: tuple[str, str], question: str) -> str:
        try:
            answer = await self.call(question)
        finally:
            del self.under_way[key]
        self.answers[key] = self.clock.now(), answer
        return answer

    def key(self, tenant: str, question: str) -> tuple[str, str]:
        return tenant, question

    def kept(self, key: tuple[str, str]) -> str | None:
        at_s, answer = self.answers.get(key, (0.0, None))
        return None if self.clock.now() - at_s > KEPT_S else answer

    def take(self, tenant: str) -> None:
        """Take a call from the tenant's bucket. Raises TooMany."""
        tokens, at_s = self.buckets.get(tenant, (CALLS, 0.0))
        tokens = min(CALLS, tokens + (self.clock.now() - at_s) / REFILL_S)
        if tokens < 1 - A_LITTLE:
            raise self.too_many
        self.buckets[tenant] = tokens - 1, self.clock.now()
