"""Exercise 8: the roles are swapped. You write the probes; what you try is somebody else's code.

A *desk* stands between tenants and a provider, and promises what README.md lists. Twelve desks
break a promise, each another one; two keep all of them, each in its own way. Write functions `probe_…(desk, lab)` that
raise AssertionError when a promise is broken: each wrong desk must fail at least one, the right ones none, and each
probe must be good for something. Every probe gets a desk that is new.
"""

from typing import Any, Protocol


class ProviderError(Exception):
    """What a desk raises when its provider failed: with an HTTP status, or None where no answer came."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


class TooMany(Exception):
    """What a desk raises when the tenant has used up its calls."""


class Desk(Protocol):
    async def ask(self, tenant: str, question: str) -> str:
        """The provider's answer, a new one or one that was kept. Raises ProviderError, TooMany."""


class Clock(Protocol):
    """The desk's own time: it passes only when somebody sleeps by it, and then at once."""

    def now(self) -> float: ...

    async def sleep(self, delay_s: float) -> None: ...


class Lab(Protocol):
    clock: Clock

    async def calls(self) -> list[dict[str, Any]]:
        """The provider's ledger: a row for each call that this desk has made, oldest first, with its `status`."""

    async def breaks(self, times: int = 1, status: int = 503) -> None:
        """Make the provider answer so many of the next calls with this status."""


async def probe_there_is_an_answer(desk: Desk, lab: Lab) -> None:
    answer = await desk.ask("acme", "Why do retries need jitter?")
    assert answer, "the answer is empty"
