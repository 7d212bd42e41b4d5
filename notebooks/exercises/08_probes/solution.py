"""One way to do exercise 8: a probe per promise, which asks for what was promised and for nothing else.

Most look at the ledger. An answer that should have cost a call looks like one that did.
"""

import asyncio
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


async def count(lab: Lab) -> int:
    return len(await lab.calls())


async def probe_an_answer_is_kept_for_a_while(desk: Desk, lab: Lab) -> None:
    await desk.ask("acme", QUESTION)
    await lab.clock.sleep(25)
    await desk.ask("acme", QUESTION)
    assert await count(lab) == 1, "an answer 25 s old was asked for again"
    await lab.clock.sleep(40)
    await desk.ask("acme", QUESTION)
    assert await count(lab) == 2, "an answer was given that was 65 s old"


async def probe_tenants_share_no_answers(desk: Desk, lab: Lab) -> None:
    await desk.ask("acme", QUESTION)
    await desk.ask("globex", QUESTION)
    assert await count(lab) == 2, "one tenant's answer was given to another"


async def probe_each_question_has_its_answer(desk: Desk, lab: Lab) -> None:
    await desk.ask("acme", QUESTION)
    await desk.ask("acme", "What does a circuit breaker do?")
    assert await count(lab) == 2, "a question was given another one's answer"


async def probe_a_failure_is_told_and_not_kept(desk: Desk, lab: Lab) -> None:
    await lab.breaks(times=1)
    failed = False
    try:
        await desk.ask("acme", QUESTION)
    except ProviderError:
        failed = True
    assert failed, "the provider's failure was hidden"
    assert await desk.ask("acme", QUESTION), "no answer from a provider that is well again"


async def probe_ten_at_once_are_one_call(desk: Desk, lab: Lab) -> None:
    await asyncio.gather(*(desk.ask("acme", QUESTION) for _ in range(10)))
    assert await count(lab) == 1, f"{await count(lab)} calls for ten who asked the same at once"


async def probe_what_is_kept_is_never_refused(desk: Desk, lab: Lab) -> None:
    await use_up(desk, "acme")
    assert not await is_refused(desk, "acme", "What is question 4?"), "an answer that is there was refused"


async def probe_what_is_refused_is_not_called(desk: Desk, lab: Lab) -> None:
    await use_up(desk, "acme")
    assert await is_refused(desk, "acme", QUESTION), "the sixth call in a row went through"
    assert await count(lab) == 5, "the provider was called for an ask that was refused"


async def probe_tenants_share_no_limit(desk: Desk, lab: Lab) -> None:
    await use_up(desk, "acme")
    assert not await is_refused(desk, "globex", QUESTION), "a tenant was refused for another one's calls"


async def probe_the_limit_comes_back(desk: Desk, lab: Lab) -> None:
    await use_up(desk, "acme")
    await is_refused(desk, "acme", QUESTION)
    await lab.clock.sleep(10)
    assert not await is_refused(desk, "acme", QUESTION), "refused after ten seconds without a call"
