"""Retry: what is tried again, after how long, and when it gives up."""

import random
from collections.abc import Callable

import pytest

from service.errors import (
    BadAnswer,
    BulkheadFull,
    CircuitOpen,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    Declined,
    GauntletError,
    InvalidRequest,
    Misconfigured,
    Paused,
    RateLimitedByProvider,
    RequestTooLarge,
    StreamBroken,
    TimedOut,
    Unavailable,
)
from service.settings import RetrySettings
from service.stages.retry import Budget, Retry

from ..fakes import FakeClock, Scripted, ask, decisions, live

P = "anthropic"
DOWN = Unavailable("down", provider=P)


def limited(hint_s: float | None) -> RateLimitedByProvider:
    return RateLimitedByProvider("slow down", provider=P, retry_after_s=hint_s)


def paused(hint_s: float) -> Paused:
    return Paused("paused", provider=P, retry_after_s=hint_s)


Make = Callable[..., Retry]


@pytest.fixture
def retry(clock: FakeClock) -> Make:
    """A retry stage with a seeded rng and a budget that does not run out."""
    return lambda **given: Retry(RetrySettings(**{"budget_capacity": 1e6, **given}), clock=clock, rng=random.Random(7))  # noqa: S311 - repeatable jitter


@pytest.mark.parametrize(
    "error",
    [
        DOWN,
        ConnectionFailed("refused", provider=P),
        TimedOut("slow", provider=P, phase="first_token"),
        BadAnswer("html", provider=P),
        StreamBroken("cut before the first token", provider=P),
        limited(None),
    ],
    ids=lambda error: error.code,
)
async def test_a_failure_that_a_second_attempt_can_mend_is_tried_four_times(
    clock: FakeClock, retry: Make, error: GauntletError
) -> None:
    inner = Scripted(error)
    asked = ask(clock)
    with pytest.raises(type(error)):
        await retry()(asked, inner)
    assert len(inner.rungs) == 4
    assert len(clock.slept) == 3, "no waiting after the last attempt"
    assert decisions(asked, "retry")[-1] == "attempts_used"


@pytest.mark.parametrize(
    "error",
    [
        Misconfigured("key", provider=P),
        CircuitOpen("open", provider=P, retry_after_s=0.1),
        BulkheadFull("full", provider=P, retry_after_s=0.1),
        InvalidRequest("400"),
        ContextTooLong("long"),
        ContentFiltered("no"),
        RequestTooLarge("413"),
        Declined("no money"),
        DeadlineExceeded("late"),
        ValueError("a defect"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_failure_that_no_attempt_can_mend_is_not_repeated(
    clock: FakeClock, retry: Make, error: Exception
) -> None:
    inner = Scripted(error)
    with pytest.raises(type(error)):
        await retry()(ask(clock), inner)
    assert len(inner.rungs) == 1
    assert clock.slept == []


async def test_x_should_retry_false_is_obeyed(clock: FakeClock, retry: Make) -> None:
    error = Unavailable("down", provider=P)
    error.retryable = False
    inner = Scripted(error)
    with pytest.raises(Unavailable):
        await retry()(ask(clock), inner)
    assert len(inner.rungs) == 1


async def test_the_attempt_that_succeeds_is_returned_and_nothing_else_is_called(clock: FakeClock, retry: Make) -> None:
    reply = live()
    inner = Scripted(DOWN, DOWN, reply)
    assert await retry()(ask(clock), inner) is reply
    assert len(inner.rungs) == 3


@pytest.mark.parametrize("attempts", [1, 2, 7])
async def test_as_many_attempts_as_configured(clock: FakeClock, retry: Make, attempts: int) -> None:
    inner = Scripted(DOWN)
    with pytest.raises(Unavailable):
        await retry(attempts=attempts, base_s=0.01)(ask(clock), inner)
    assert len(inner.rungs) == attempts


async def test_waits_are_full_jitter_over_the_whole_range_of_each_attempt(clock: FakeClock, retry: Make) -> None:
    stage = retry(attempts=7, base_s=0.2, cap_s=2.0)
    waits: list[list[float]] = [[] for _ in range(6)]
    for _ in range(300):
        clock.slept.clear()
        with pytest.raises(Unavailable):
            await stage(ask(clock, deadline_s=clock.now + 60), Scripted(DOWN))
        for column, wait_s in zip(waits, clock.slept, strict=True):
            column.append(wait_s)
    for column, cap_s in zip(waits, [0.2, 0.4, 0.8, 1.6, 2.0, 2.0], strict=True):
        assert 0 <= min(column) < 0.05 * cap_s
        assert 0.95 * cap_s < max(column) <= cap_s
        assert abs(sum(column) / len(column) - cap_s / 2) < 0.1 * cap_s


async def test_the_same_seed_gives_the_same_waits(clock: FakeClock, retry: Make) -> None:
    runs = []
    for _ in range(2):
        clock.slept.clear()
        with pytest.raises(Unavailable):
            await retry()(ask(clock), Scripted(DOWN))
        runs.append(list(clock.slept))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("error", [limited(0.5), paused(0.5)], ids=["429", "pause"])
async def test_a_short_hint_is_waited_for_with_a_spread_although_a_rung_is_left(
    clock: FakeClock, retry: Make, error: GauntletError
) -> None:
    inner = Scripted(error, live())
    await retry()(ask(clock, last_rung=False), inner)
    assert len(inner.rungs) == 2
    assert 0.5 <= clock.slept[0] <= 0.75


@pytest.mark.parametrize("error", [limited(0.51), paused(0.51)], ids=["429", "pause"])
async def test_a_longer_hint_is_not_waited_for_while_a_rung_is_left(
    clock: FakeClock, retry: Make, error: GauntletError
) -> None:
    inner = Scripted(error)
    asked = ask(clock, last_rung=False)
    with pytest.raises(type(error)):
        await retry()(asked, inner)
    assert len(inner.rungs) == 1
    assert decisions(asked, "retry") == ["attempt", "next_rung_instead"]


@pytest.mark.parametrize("error", [limited(3.0), paused(3.0)], ids=["429", "pause"])
async def test_on_the_last_rung_a_longer_hint_is_waited_for_within_the_deadline(
    clock: FakeClock, retry: Make, error: GauntletError
) -> None:
    inner = Scripted(error, live())
    await retry()(ask(clock), inner)
    assert 3.0 <= clock.slept[0] <= 3.25


@pytest.mark.parametrize("error", [limited(5.0), paused(6.0)], ids=["429", "pause"])
async def test_a_hint_beyond_the_deadline_is_not_waited_for(
    clock: FakeClock, retry: Make, error: GauntletError
) -> None:
    asked = ask(clock)
    with pytest.raises(type(error)):
        await retry()(asked, Scripted(error))
    assert clock.slept == []
    assert decisions(asked, "retry") == ["attempt", "no_time"]


async def test_the_spread_after_a_pause_covers_its_whole_range(clock: FakeClock, retry: Make) -> None:
    stage = retry(wake_spread_s=0.25)
    for _ in range(200):
        await stage(ask(clock), Scripted(paused(1.0), live()))
    assert 1.0 <= min(clock.slept) < 1.01
    assert 1.24 < max(clock.slept) <= 1.25


async def test_waiting_out_a_pause_is_no_attempt_and_costs_no_budget(clock: FakeClock, retry: Make) -> None:
    stage = retry(budget_capacity=1.0, budget_per_s=0, budget_per_request=0)
    inner = Scripted(*[paused(0.1)] * 6, DOWN, live())
    await stage(ask(clock), inner)
    assert len(inner.rungs) == 8
    assert stage.budget.left == 0


async def test_no_wait_reaches_the_deadline_of_the_rung(clock: FakeClock, retry: Make) -> None:
    for _ in range(50):
        asked = ask(clock)
        asked.rung_deadline_s = clock.now + 0.3
        with pytest.raises(Unavailable):
            await retry(attempts=20)(asked, Scripted(DOWN))
        assert clock.now < asked.rung_deadline_s


async def test_a_timed_out_attempt_is_not_repeated_while_a_rung_is_left(clock: FakeClock, retry: Make) -> None:
    error = TimedOut("slow", provider=P, phase="first_token")
    inner = Scripted(error)
    with pytest.raises(TimedOut):
        await retry()(ask(clock, last_rung=False), inner)
    assert len(inner.rungs) == 1


async def test_an_empty_budget_ends_the_retries_but_never_the_first_attempt(clock: FakeClock, retry: Make) -> None:
    stage = retry(budget_capacity=2.0, budget_per_s=0, budget_per_request=0)
    calls = []
    for _ in range(3):
        inner = Scripted(DOWN)
        asked = ask(clock)
        with pytest.raises(Unavailable):
            await stage(asked, inner)
        calls.append(len(inner.rungs))
    assert calls == [3, 1, 1]
    assert decisions(asked, "retry") == ["attempt", "no_budget"]


async def test_no_budget_is_spent_on_a_retry_for_which_there_is_no_time(clock: FakeClock, retry: Make) -> None:
    stage = retry(budget_capacity=3.0, budget_per_s=0)
    with pytest.raises(RateLimitedByProvider):
        await stage(ask(clock), Scripted(limited(60)))
    assert stage.budget.left == 3.0


def test_the_budget_starts_full_and_earns_with_requests_and_time_up_to_its_capacity(clock: FakeClock) -> None:
    budget = Budget(RetrySettings(), clock)
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(5):
        budget.request()
    assert budget.take(), "five requests earn one retry"
    assert not budget.take()
    clock.advance(2.5)
    assert budget.take()
    assert budget.take()
    assert not budget.take()
    assert budget.left == pytest.approx(0.5)
    clock.advance(1000)
    budget.request()
    assert budget.left == 10


def test_in_an_outage_retries_stay_a_fifth_of_the_requests(clock: FakeClock) -> None:
    budget = Budget(RetrySettings(budget_per_s=0), clock)
    retries = 0
    for _ in range(1000):
        budget.request()
        retries += budget.take()
    assert retries == pytest.approx(10 + 200, abs=2)


async def test_a_request_earns_its_share_of_the_budget_once_however_many_rungs_it_tries(clock: FakeClock) -> None:
    stage = Retry(RetrySettings(budget_per_s=0), clock=clock)
    stage.budget.left = 0
    asked = ask(clock)
    for _ in range(3):
        with pytest.raises(CircuitOpen):
            await stage(asked, Scripted(CircuitOpen("open", provider=P)))
    assert stage.budget.left == pytest.approx(0.2)


async def test_a_429_that_its_provider_does_not_want_tried_again_is_not(clock: FakeClock, retry: Make) -> None:
    error = limited(0.1)
    error.retryable = False
    inner = Scripted(error)
    with pytest.raises(RateLimitedByProvider):
        await retry()(ask(clock), inner)
    assert len(inner.rungs) == 1
