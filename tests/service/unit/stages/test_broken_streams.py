"""A stream that breaks after its first token: what each policy of the route makes of it."""

import pytest

from service.errors import (
    AllMisconfigured,
    ContentFiltered,
    Misconfigured,
    StreamBroken,
    TimedOut,
    Unavailable,
)
from service.settings import FallbackSettings
from service.stages.cached_answer import CachedAnswer
from service.stages.fallback import Fallback
from service.stages.reply import Delta, Outcome, Reply, Restart

from ..fakes import GPT, MINI, SONNET, FakeClock, Scripted, ask, live, read, streaming

CUT = StreamBroken("cut", provider="anthropic", upstream_status=200)
SILENT = TimedOut("silent", provider="anthropic", phase="idle")


@pytest.fixture
def fallback(clock: FakeClock) -> Fallback:
    return Fallback(FallbackSettings(), returns_in_s=lambda _: 3.0, clock=clock)


async def test_restart_drops_what_came_and_the_next_rung_starts_over(clock: FakeClock, fallback: Fallback) -> None:
    inner = Scripted(streaming("on", "ce", CUT), streaming("4", "2", rung=GPT))
    reply = await fallback(ask(clock), inner)
    assert reply.source == "live"
    assert await read(reply) == [Delta("on"), Delta("ce"), Restart("stream_broken"), Delta("4"), Delta("2")]
    assert (reply.source, reply.provider, reply.model) == ("provider", "openai", GPT.model)
    assert reply.degraded == ["anthropic:stream_broken"]
    assert reply.finish_reason == "stop"


async def test_restart_goes_down_the_ladder_as_often_as_it_must(clock: FakeClock, fallback: Fallback) -> None:
    cut_too = StreamBroken("cut", provider="openai")
    inner = Scripted(streaming("a", SILENT), streaming("b", cut_too, rung=GPT), streaming("c", rung=SONNET))
    reply = await fallback(ask(clock, SONNET, GPT, SONNET), inner)
    assert await read(reply) == [
        Delta("a"),
        Restart("timed_out"),
        Delta("b"),
        Restart("stream_broken"),
        Delta("c"),
    ]
    assert reply.degraded == ["anthropic:timed_out", "openai:stream_broken"]


async def test_a_restart_has_a_fresh_deadline_for_the_first_token_of_the_next_rung(
    clock: FakeClock, fallback: Fallback
) -> None:
    inner = Scripted(streaming("a", CUT), streaming("b", rung=GPT))
    reply = await fallback(ask(clock), inner)
    clock.advance(40)
    await read(reply)
    assert inner.deadlines_s[1] == pytest.approx(clock.now + 4.75)


async def test_a_restart_whose_ladder_ends_gives_the_honest_message(clock: FakeClock, fallback: Fallback) -> None:
    inner = Scripted(streaming("a", CUT), Unavailable("down", provider="openai"))
    reply = await fallback(ask(clock), inner)
    events = await read(reply)
    assert events[:2] == [Delta("a"), Restart("stream_broken")]
    assert isinstance(events[2], Delta)
    assert "I cannot answer right now" in events[2].text
    assert (reply.source, reply.provider, reply.retry_after_s) == ("message", None, 3)
    assert reply.degraded == ["anthropic:stream_broken", "openai:unavailable"]


async def test_a_restart_may_end_with_the_stale_answer(clock: FakeClock, fallback: Fallback) -> None:
    inner = Scripted(streaming("a", CUT), Unavailable("down", provider="openai"))
    reply = await fallback(ask(clock, stale=CachedAnswer("41", "anthropic", "m", "stop")), inner)
    assert await read(reply) == [Delta("a"), Restart("stream_broken"), Delta("41")]
    assert reply.source == "stale"


async def test_a_content_filter_in_mid_stream_is_no_reason_to_restart(clock: FakeClock, fallback: Fallback) -> None:
    inner = Scripted(streaming("a", ContentFiltered("no")))
    reply = await fallback(ask(clock), inner)
    with pytest.raises(ContentFiltered):
        await read(reply)
    assert inner.rungs == [SONNET]


async def test_a_whole_answer_after_a_restart_is_one_delta(clock: FakeClock, fallback: Fallback) -> None:
    inner = Scripted(streaming("a", CUT), live("42", rung=MINI))
    reply = await fallback(ask(clock, SONNET, MINI), inner)
    assert await read(reply) == [Delta("a"), Restart("stream_broken"), Delta("42")]
    assert reply.source == "smaller_model"


async def test_leaving_a_restarting_stream_cancels_the_call_that_is_under_way(
    clock: FakeClock, fallback: Fallback
) -> None:
    ends: list[Outcome] = []
    second = streaming("b", "c", rung=GPT)
    second.on_end(lambda _, outcome, error: ends.append(outcome))
    reply = await fallback(ask(clock), Scripted(streaming("a", CUT), second))
    async for event in reply:
        if event == Delta("b"):
            break
    await reply.aclose()
    assert ends == ["cancelled"]


async def test_error_ends_the_stream_with_its_error(clock: FakeClock, fallback: Fallback) -> None:
    inner = Scripted(streaming("a", CUT), live(rung=GPT))
    reply = await fallback(ask(clock, broken_stream="error"), inner)
    assert await anext(reply) == Delta("a")
    with pytest.raises(StreamBroken):
        await anext(reply)
    assert inner.rungs == [SONNET]


async def test_error_still_fails_over_before_the_first_token(clock: FakeClock, fallback: Fallback) -> None:
    inner = Scripted(CUT, streaming("b", rung=GPT))
    reply = await fallback(ask(clock, broken_stream="error"), inner)
    assert await read(reply) == [Delta("b")]
    assert reply.source == "provider"


async def test_buffer_holds_the_answer_until_it_is_whole(clock: FakeClock, fallback: Fallback) -> None:
    reply = await fallback(ask(clock, broken_stream="buffer"), Scripted(streaming("4", "2")))
    assert (reply.text, reply.source, reply.finish_reason) == ("42", "live", "stop")


async def test_buffer_fails_over_and_nobody_sees_the_broken_half(clock: FakeClock, fallback: Fallback) -> None:
    ends: list[Outcome] = []
    broken = streaming("on", "ce", CUT)
    broken.on_end(lambda _, outcome, error: ends.append(outcome))
    reply: Reply = await fallback(ask(clock, broken_stream="buffer"), Scripted(broken, streaming("42", rung=GPT)))
    assert await read(reply) == [Delta("42")]
    assert (reply.source, reply.degraded) == ("provider", ["anthropic:stream_broken"])
    assert ends == ["error"]


async def test_buffer_whose_ladder_ends_gives_the_honest_message(clock: FakeClock, fallback: Fallback) -> None:
    inner = Scripted(streaming("a", CUT), streaming("b", CUT, rung=GPT))
    reply = await fallback(ask(clock, broken_stream="buffer"), inner)
    assert reply.source == "message"


async def test_a_restart_onto_rungs_that_are_all_misconfigured_is_still_an_outage(
    clock: FakeClock, fallback: Fallback
) -> None:
    inner = Scripted(streaming("a", CUT), Misconfigured("key", provider="openai", upstream_status=401))
    reply = await fallback(ask(clock), inner)
    try:
        events = await read(reply)
    except AllMisconfigured:
        pytest.fail("the first rung was merely broken")
    assert events[1] == Restart("stream_broken")
