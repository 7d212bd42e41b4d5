"""Judges by what comes back, and never looks at the ledger."""

from typing import Any, Protocol

QUESTION = "Why do retries need jitter?"


class ProviderError(Exception):
    """What a desk raises when its provider failed: with an HTTP status, or None where no answer came."""

    def __init__(self, status: int | None, retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after_s = status, retry_after_s


class TooMany(Exception):
    """What a desk raises when the tenant has used up its calls."""


class Desk(Protocol):
    async def ask(self, tenant: str, question: str) -> str: ...


class Clock(Protocol):
    def now(self) -> float: ...

    async def sleep(self, delay_s: float) -> None: ...


class Lab(Protocol):
    clock: Clock

    async def calls(self) -> list[dict[str, Any]]: ...

    async def breaks(self, times: int = 1, status: int = 503) -> None: ...


async def use_up(desk: Desk, tenant: str) -> None:
    """Make the tenant's five calls."""
    for number in range(5):
        await desk.ask(tenant, f"What is question {number}?")


async def is_refused(desk: Desk, tenant: str, question: str) -> bool:
    try:
        await desk.ask(tenant, question)
    except TooMany:
        return True
    return False


async def probe_a_failure_is_told_and_not_kept(desk: Desk, lab: Lab) -> None:
    await lab.breaks(times=1)
    failed = False
    try:
        await desk.ask("acme", QUESTION)
    except ProviderError:
        failed = True
    assert failed, "the provider's failure was hidden"
    assert await desk.ask("acme", QUESTION), "no answer from a provider that is well again"


async def probe_what_is_kept_is_never_refused(desk: Desk, lab: Lab) -> None:
    await use_up(desk, "acme")
    assert not await is_refused(desk, "acme", "What is question 4?"), "an answer that is there was refused"


async def probe_tenants_share_no_limit(desk: Desk, lab: Lab) -> None:
    await use_up(desk, "acme")
    assert not await is_refused(desk, "globex", QUESTION), "a tenant was refused for another one's calls"


async def probe_the_limit_comes_back(desk: Desk, lab: Lab) -> None:
    await use_up(desk, "acme")
    await is_refused(desk, "acme", QUESTION)
    await lab.clock.sleep(10)
    assert not await is_refused(desk, "acme", QUESTION), "refused after ten seconds without a call"
