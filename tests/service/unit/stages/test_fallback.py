"""The ladder: which rung is tried, with how much time, and what is said when none can answer."""

from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.errors import (
    AllMisconfigured,
    CircuitOpen,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    Declined,
    GauntletError,
    InvalidRequest,
    Misconfigured,
    ProviderError,
    RequestTooLarge,
    TimedOut,
    Unavailable,
)
from service.llm.routes import Rung
from service.settings import FallbackSettings
from service.stages.ask import Ask
from service.stages.cached_answer import CachedAnswer
from service.stages.fallback import Fallback

from ..fakes import GPT, MINI, SONNET, FakeClock, Scripted, ask, decisions, live, streaming

DOWN = Unavailable("down", provider="anthropic", upstream_status=503)
DOWN_TOO = CircuitOpen("open", provider="openai")
HAIKU = Rung("anthropic", "claude-haiku-5-5", smaller=True)
STALE = CachedAnswer("41", "anthropic", "claude-opus-4-7", "stop", age_s=7200.0)

Make = Callable[..., Fallback]


@pytest.fixture
def fallback(clock: FakeClock) -> Make:
    def make(returns: dict[str, float] | None = None, **given: Any) -> Fallback:
        return Fallback(FallbackSettings(**given), returns_in_s=lambda p: (returns or {}).get(p, 0.0), clock=clock)

    return make


async def test_the_first_rung_that_answers_is_live_and_not_degraded(clock: FakeClock, fallback: Make) -> None:
    inner = Scripted(live())
    reply = await fallback()(ask(clock), inner)
    assert (reply.source, reply.degraded) == ("live", [])
    assert inner.rungs == [SONNET]


async def test_the_next_provider_answers_and_the_reply_says_why(clock: FakeClock, fallback: Make) -> None:
    inner = Scripted(DOWN, live(rung=GPT))
    asked = ask(clock)
    reply = await fallback()(asked, inner)
    assert (reply.source, reply.provider, reply.degraded) == ("provider", "openai", ["anthropic:unavailable"])
    assert inner.rungs == [SONNET, GPT]
    assert decisions(asked, "fallback") == ["rung", "failed", "rung"]


async def test_a_smaller_model_of_another_provider_is_labelled_as_smaller(clock: FakeClock, fallback: Make) -> None:
    reply = await fallback()(ask(clock, SONNET, MINI), Scripted(DOWN, live(rung=MINI)))
    assert reply.source == "smaller_model"


async def test_a_smaller_model_is_not_tried_on_the_provider_that_just_failed(clock: FakeClock, fallback: Make) -> None:
    inner = Scripted(DOWN, live(rung=MINI))
    asked = ask(clock, SONNET, HAIKU, MINI)
    await fallback()(asked, inner)
    assert inner.rungs == [SONNET, MINI]
    assert [inputs for _, decision, _, inputs in asked.path if decision == "skip"] == [
        {"rung": 1, "model": HAIKU.model, "why": "same_provider_failed"}
    ]


async def test_a_wrong_model_name_does_not_rule_out_a_smaller_model_there(clock: FakeClock, fallback: Make) -> None:
    unknown = Misconfigured("no such model", provider="anthropic", upstream_status=404)
    inner = Scripted(unknown, live(rung=HAIKU))
    reply = await fallback()(ask(clock, SONNET, HAIKU), inner)
    assert inner.rungs == [SONNET, HAIKU]
    assert reply.degraded == ["anthropic:misconfigured"]


async def test_with_too_little_time_the_smaller_model_is_asked_at_once(clock: FakeClock, fallback: Make) -> None:
    inner = Scripted(live(rung=MINI))
    asked = ask(clock, SONNET, GPT, MINI, deadline_s=clock.now + 1.2)
    reply = await fallback()(asked, inner)
    assert inner.rungs == [MINI]
    assert (reply.source, reply.degraded) == ("smaller_model", ["deadline:too_little_time"])
    assert inner.deadlines_s == [clock.now + 0.95]


async def test_without_a_smaller_rung_too_little_time_changes_nothing(clock: FakeClock, fallback: Make) -> None:
    inner = Scripted(live())
    await fallback()(ask(clock, SONNET, GPT, deadline_s=clock.now + 1.2), inner)
    assert inner.rungs == [SONNET]


async def test_each_rung_but_the_last_gets_half_of_what_is_left(clock: FakeClock, fallback: Make) -> None:
    last: list[bool] = []

    async def hang(asked: Ask) -> Any:
        last.append(asked.last_rung)
        clock.now = asked.rung_deadline_s
        raise TimedOut("slow", provider=asked.rung.provider, phase="total")

    inner = Scripted(hang)
    began_s = clock.now
    await fallback()(ask(clock, SONNET, GPT, Rung("anthropic", "claude-haiku-5-5")), inner)
    shares = [deadline_s - began_s for deadline_s in inner.deadlines_s]
    assert shares == pytest.approx([2.375, 3.5625, 4.75])
    assert last == [False, False, True]
    assert clock.now - began_s == pytest.approx(4.75), "a quarter of a second is kept to answer"


async def test_a_rung_followed_only_by_rungs_that_cannot_apply_is_the_last(clock: FakeClock, fallback: Make) -> None:
    inner = Scripted(live())
    asked = ask(clock, SONNET, HAIKU)
    await fallback()(asked, inner)
    assert asked.last_rung
    assert inner.deadlines_s == [clock.now + 4.75]


CALLERS = [InvalidRequest("400"), ContentFiltered("no"), RequestTooLarge("413"), Declined("no"), ContextTooLong("long")]


@pytest.mark.parametrize("error", CALLERS, ids=lambda error: error.code)
async def test_the_callers_errors_pass_through_at_once(clock: FakeClock, fallback: Make, error: GauntletError) -> None:
    inner = Scripted(error)
    with pytest.raises(type(error)) as raised:
        await fallback()(ask(clock, stale=STALE), inner)
    assert raised.value is error
    assert inner.rungs == [SONNET]


async def test_a_context_that_is_too_long_goes_only_to_a_rung_with_a_larger_one(
    clock: FakeClock, fallback: Make
) -> None:
    small, same, large = Rung("a", "s", context_tokens=8), Rung("b", "m", context_tokens=8), Rung("b", "l", False, 64)
    inner = Scripted(ContextTooLong("long"), live(rung=large))
    reply = await fallback()(ask(clock, small, GPT, same, large), inner)
    assert inner.rungs == [small, large]
    assert reply.source == "provider"


async def test_a_context_too_long_for_the_largest_rung_passes_through(clock: FakeClock, fallback: Make) -> None:
    small, large = Rung("a", "s", context_tokens=8), Rung("b", "l", context_tokens=64)
    inner = Scripted(ContextTooLong("long"))
    with pytest.raises(ContextTooLong):
        await fallback()(ask(clock, small, large, small), inner)
    assert inner.rungs == [small, large]


async def test_when_every_rung_is_misconfigured_the_caller_gets_502_and_the_log_an_error_each(
    clock: FakeClock, fallback: Make
) -> None:
    inner = Scripted(
        Misconfigured("bad key", provider="anthropic", upstream_status=401),
        Misconfigured("no money", provider="openai", upstream_status=429),
    )
    with capture_logs() as logs, pytest.raises(AllMisconfigured) as raised:
        await fallback()(ask(clock), inner)
    assert raised.value.status == 502
    assert raised.value.extra == {"degraded": ["anthropic:misconfigured", "openai:misconfigured"]}
    assert [(row["log_level"], row["provider"], row["upstream_status"]) for row in logs] == [
        ("error", "anthropic", 401),
        ("error", "openai", 429),
    ]


async def test_one_rung_that_is_merely_down_makes_it_an_outage(clock: FakeClock, fallback: Make) -> None:
    misconfigured = Misconfigured("bad key", provider="anthropic", upstream_status=401)
    reply = await fallback()(ask(clock), Scripted(misconfigured, DOWN_TOO))
    assert reply.source == "message"


@pytest.mark.parametrize(
    "errors", [(DOWN, DOWN_TOO), (Misconfigured("key", provider="anthropic"), Misconfigured("k", provider="openai"))]
)
async def test_a_stale_answer_comes_before_the_message_and_says_that_it_is_stale(
    clock: FakeClock, fallback: Make, errors: tuple[ProviderError, ...]
) -> None:
    reply = await fallback()(ask(clock, stale=STALE), Scripted(*errors))
    assert (reply.source, reply.text) == ("stale", "41")
    assert reply.degraded == [f"{error.provider}:{error.code}" for error in errors]


async def test_the_honest_message_comes_with_the_time_of_the_earliest_return(clock: FakeClock, fallback: Make) -> None:
    asked = ask(clock)
    reply = await fallback({"anthropic": 29.3, "openai": 12.2})(asked, Scripted(DOWN, DOWN_TOO))
    assert (reply.source, reply.provider, reply.model) == ("message", None, None)
    assert reply.retry_after_s == 13
    assert "in 13 s" in (reply.text or "")
    assert reply.degraded == ["anthropic:unavailable", "openai:circuit_open"]
    assert decisions(asked, "fallback")[-1] == "message"


async def test_the_retry_time_is_at_least_a_second_and_never_too_early(clock: FakeClock, fallback: Make) -> None:
    for returns_s in (0.0, 0.2, 0.99, 1.0, 1.01, 2.5, 29.0, 30.0):
        reply = await fallback({"anthropic": returns_s, "openai": 60.0})(ask(clock), Scripted(DOWN, DOWN_TOO))
        assert max(1.0, returns_s) <= (reply.retry_after_s or 0) <= returns_s + 1


async def test_without_time_for_any_rung_the_deadline_is_what_failed(clock: FakeClock, fallback: Make) -> None:
    inner = Scripted(live())
    with pytest.raises(DeadlineExceeded) as raised:
        await fallback()(ask(clock, deadline_s=clock.now + 0.2), inner)
    assert raised.value.status == 504
    assert inner.rungs == []


async def test_reasons_are_named_once_each(clock: FakeClock, fallback: Make) -> None:
    down = [Unavailable("down", provider="anthropic"), Unavailable("down", provider="anthropic")]
    rungs = (SONNET, Rung("anthropic", "claude-sonnet-5-5"))
    reply = await fallback()(ask(clock, *rungs), Scripted(*down))
    assert reply.degraded == ["anthropic:unavailable"]


async def test_a_defect_is_no_reason_to_fail_over(clock: FakeClock, fallback: Make) -> None:
    inner = Scripted(ValueError("a defect"))
    with pytest.raises(ValueError, match="defect"):
        await fallback()(ask(clock), inner)
    assert len(inner.rungs) == 1


async def test_a_stale_answer_for_lack_of_time_is_degraded_for_that_reason(clock: FakeClock, fallback: Make) -> None:
    reply = await fallback()(ask(clock, deadline_s=clock.now + 0.1, stale=STALE), Scripted(live()))
    assert (reply.source, reply.degraded) == ("stale", ["deadline:too_little_time"])


async def test_a_context_that_no_larger_rung_was_asked_about_is_still_the_callers_fault(
    clock: FakeClock, fallback: Make
) -> None:
    small, large = Rung("openai", "s", context_tokens=8), Rung("anthropic", "l", smaller=True, context_tokens=64)
    inner = Scripted(DOWN, ContextTooLong("long"))
    with pytest.raises(ContextTooLong):
        await fallback()(ask(clock, SONNET, small, large), inner)
    assert inner.rungs == [SONNET, small]


async def test_a_restarting_stream_that_is_never_read_closes_what_it_would_have_read(
    clock: FakeClock, fallback: Make
) -> None:
    inner, ends = streaming("4"), []
    inner.on_end(lambda _, outcome, error: ends.append(outcome))
    reply = await fallback()(ask(clock, stream=True), Scripted(inner))
    await reply.aclose()
    assert ends == ["cancelled"]
