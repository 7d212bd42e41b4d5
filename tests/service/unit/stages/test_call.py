"""The call: timeouts in virtual time, and every attempt numbered, measured and priced."""

import asyncio
import re
from typing import Any

import pytest

from service.errors import GauntletError, StreamBroken, TimedOut, Unavailable
from service.llm.prices import cost_nano_usd
from service.llm.provider import Usage
from service.stages.ask import Ask
from service.stages.call import Call, estimated_tokens
from service.stages.reply import Delta

from ..fakes import GPT, HANG, PROVIDERS, SONNET, FakeClock, ScriptedProvider, ask, decisions, read

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def call_of(clock: FakeClock, *pieces: object, **given: Any) -> tuple[Call, ScriptedProvider]:
    provider = ScriptedProvider(clock, *pieces, **given)
    return Call({provider.name: provider}, PROVIDERS, clock=clock), provider


async def test_a_whole_answer_is_a_whole_reply_and_a_priced_attempt(clock: FakeClock) -> None:
    call, provider = call_of(clock, 0.5, "42")
    asked = ask(clock, system="Be brief.", max_tokens=77, traceparent=TRACEPARENT)
    reply = await call(asked)
    assert (reply.text, reply.source, reply.provider, reply.finish_reason) == ("42", "live", "anthropic", "stop")
    [attempt] = asked.attempts
    assert (attempt.number, attempt.status, attempt.upstream_status) == (1, "ok", 200)
    assert (attempt.provider, attempt.model, attempt.usage) == (SONNET.provider, SONNET.model, Usage(100, 50))
    assert attempt.cost_nano_usd == cost_nano_usd("anthropic", SONNET.model, Usage(100, 50, 0))
    assert attempt.duration_s == pytest.approx(0.5)
    [request] = provider.requests
    assert (request.model, request.system, request.max_tokens) == (SONNET.model, "Be brief.", 77)
    # The provider's caller is the attempt, in the request's trace.
    assert request.headers == {
        "X-Request-ID": asked.request_id,
        "X-Attempt": "1",
        "traceparent": TRACEPARENT.replace("00f067aa0ba902b7", attempt.span_id),
    }
    assert re.fullmatch("[0-9a-f]{16}", attempt.span_id)


async def test_attempts_are_numbered_over_the_whole_request(clock: FakeClock) -> None:
    call, _ = call_of(clock, Unavailable("down", provider="anthropic", upstream_status=529))
    gpt = ScriptedProvider(clock, "42", name="openai")
    call_two = Call({"openai": gpt}, PROVIDERS, clock=clock)
    asked = ask(clock)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await call(asked)
    asked.rung = GPT
    await call_two(asked)
    assert [(a.number, a.provider, a.status, a.upstream_status) for a in asked.attempts] == [
        (1, "anthropic", "unavailable", 529),
        (2, "anthropic", "unavailable", 529),
        (3, "openai", "ok", 200),
    ]
    assert gpt.requests[0].headers["X-Attempt"] == "3"


async def test_parameters_that_the_provider_lacks_are_named_when_they_were_given(clock: FakeClock) -> None:
    lacks = frozenset({"temperature", "seed"})
    for stream in (False, True):
        call, _ = call_of(clock, "42", lacks=lacks)
        assert (await call(ask(clock, stream=stream, temperature=0.0, seed=3))).ignored == ("temperature", "seed")
        assert (await call(ask(clock, stream=stream, seed=3))).ignored == ("seed",)
        assert (await call(ask(clock, stream=stream))).ignored == ()
    call, _ = call_of(clock, "42")
    assert (await call(ask(clock, temperature=1.0))).ignored == ()


async def test_an_answer_that_takes_too_long_is_timed_out_at_the_deadline_of_the_rung(clock: FakeClock) -> None:
    call, _ = call_of(clock, HANG)
    asked = ask(clock)
    asked.rung_deadline_s = clock.now + 2.5
    began_s = clock.now
    with pytest.raises(TimedOut, match=r"no answer in 2\.50 s") as raised:
        await call(asked)
    assert raised.value.phase == "total"
    assert clock.now - began_s == pytest.approx(2.5)
    assert asked.attempts[0].status == "timed_out"
    assert asked.attempts[0].duration_s == pytest.approx(2.5)


@pytest.mark.parametrize(("left_s", "bound_s"), [(2.0, 2.0), (30.0, 4.0)])
async def test_a_first_token_is_bounded_by_its_own_timeout_and_by_the_deadline(
    clock: FakeClock, left_s: float, bound_s: float
) -> None:
    call, provider = call_of(clock, HANG)
    asked = ask(clock, stream=True)
    asked.rung_deadline_s = clock.now + left_s
    began_s = clock.now
    with pytest.raises(TimedOut, match="no first token") as raised:
        await call(asked)
    assert raised.value.phase == "first_token"
    assert clock.now - began_s == pytest.approx(bound_s)
    assert provider.streams[0].closed
    assert asked.attempts[0].usage == Usage(100, 50), "what the provider stated is paid for"


async def test_a_stream_is_committed_at_its_first_token(clock: FakeClock) -> None:
    call, provider = call_of(clock, 1.5, "4", 1.9, "2")
    asked = ask(clock, stream=True)
    reply = await call(asked)
    assert asked.attempts[0].first_token_s == pytest.approx(1.5)
    assert asked.attempts[0].status == "pending"
    assert await read(reply) == [Delta("4"), Delta("2")]
    assert reply.finish_reason == "stop"
    [attempt] = asked.attempts
    assert (attempt.status, attempt.usage) == ("ok", Usage(100, 50))
    assert attempt.duration_s == pytest.approx(3.4)
    assert provider.streams[0].closed
    assert decisions(asked, "call") == ["ok"]


async def test_silence_in_a_stream_ends_it_after_the_idle_timeout(clock: FakeClock) -> None:
    call, provider = call_of(clock, "4", 1.9, "2", HANG)
    asked = ask(clock, stream=True)
    began_s = clock.now
    with pytest.raises(TimedOut) as raised:
        await read(await call(asked))
    assert raised.value.phase == "idle"
    assert clock.now - began_s == pytest.approx(3.9)
    assert provider.streams[0].closed
    assert asked.attempts[0].status == "timed_out"


async def test_a_stream_that_drips_for_ever_ends_at_the_total_timeout(clock: FakeClock) -> None:
    call, provider = call_of(clock, *["x", 1.5] * 100)
    asked = ask(clock, stream=True)
    began_s = clock.now
    with pytest.raises(TimedOut) as raised:
        await read(await call(asked))
    assert raised.value.phase == "total"
    assert clock.now - began_s == pytest.approx(60)
    assert provider.streams[0].closed


async def test_after_the_first_token_the_deadline_of_the_request_no_longer_counts(clock: FakeClock) -> None:
    call, _ = call_of(clock, *["x", 1.5] * 10)
    asked = ask(clock, stream=True)
    assert len(await read(await call(asked))) == 10
    assert clock.now > asked.deadline_s


async def test_a_stream_without_any_text_is_broken_not_empty(clock: FakeClock) -> None:
    call, provider = call_of(clock)
    asked = ask(clock, stream=True)
    with pytest.raises(StreamBroken, match="no text"):
        await call(asked)
    assert provider.streams[0].closed
    assert asked.attempts[0].usage == Usage(100, 50), "billed all the same"


async def test_a_broken_stream_is_priced_by_what_was_stated_or_else_estimated(clock: FakeClock) -> None:
    cut = StreamBroken("cut", provider="anthropic", upstream_status=200)
    call, provider = call_of(clock, "x" * 40, "y" * 40, cut, usage=Usage())
    asked = ask(clock, stream=True)
    with pytest.raises(StreamBroken):
        await read(await call(asked))
    [attempt] = asked.attempts
    assert attempt.status == "stream_broken"
    assert attempt.usage == Usage(estimated_tokens(len("What does it cost?")), 20)
    assert attempt.cost_nano_usd == cost_nano_usd("anthropic", SONNET.model, attempt.usage)
    assert not attempt.exact
    assert attempt.most_nano_usd is not None
    assert attempt.most_nano_usd > (attempt.cost_nano_usd or 0), "all that may have been answered, not what came"
    assert provider.streams[0].closed


async def test_a_client_that_leaves_pays_for_what_came(clock: FakeClock) -> None:
    call, provider = call_of(clock, "x" * 400, "y", usage=Usage(100, 1, 10))
    asked = ask(clock, stream=True)
    reply = await call(asked)
    await anext(reply)
    await reply.aclose()
    assert provider.streams[0].closed
    assert (asked.attempts[0].status, asked.attempts[0].usage) == ("cancelled", Usage(100, 100, 10))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cancelled_call_is_recorded_as_cancelled(clock: FakeClock, stream: bool) -> None:
    call, provider = call_of(clock, asyncio.CancelledError())
    asked = ask(clock, stream=stream)
    with pytest.raises(asyncio.CancelledError):
        await call(asked)
    assert asked.attempts[0].status == "cancelled"
    assert all(opened.closed for opened in provider.streams)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failed_attempt_is_in_the_books_with_its_status(clock: FakeClock, stream: bool) -> None:
    call, _ = call_of(clock, Unavailable("down", provider="anthropic", upstream_status=503))
    asked: Ask = ask(clock, stream=stream)
    with pytest.raises(GauntletError):
        await call(asked)
    [attempt] = asked.attempts
    assert (attempt.status, attempt.upstream_status) == ("unavailable", 503)
    assert attempt.duration_s is not None


@pytest.mark.parametrize(("characters", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (400, 100)])
def test_estimated_tokens_are_rounded_up(characters: int, tokens: int) -> None:
    assert estimated_tokens(characters) == tokens
