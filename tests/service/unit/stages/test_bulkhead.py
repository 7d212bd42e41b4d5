"""Bulkhead: slots are held until the end of a stream, and given back however a call ends."""

import asyncio

import pytest

from service.errors import BulkheadFull, StreamBroken, Unavailable
from service.stages.ask import Ask
from service.stages.bulkhead import Bulkhead
from service.stages.reply import Reply

from ..fakes import GPT, FakeClock, Scripted, ask, decisions, live, streaming


@pytest.fixture
def bulkhead() -> Bulkhead:
    return Bulkhead({"anthropic": 2, "openai": 1})


async def test_a_full_bulkhead_fails_fast_and_does_not_call(clock: FakeClock, bulkhead: Bulkhead) -> None:
    inner = Scripted(streaming("a"), streaming("b"))
    held = [await bulkhead(ask(clock), inner) for _ in range(2)]
    asked = ask(clock)
    with pytest.raises(BulkheadFull, match="all 2 slots for anthropic") as full:
        await bulkhead(asked, inner)
    assert not full.value.counts
    assert not full.value.retryable
    assert len(inner.rungs) == 2
    assert decisions(asked, "bulkhead") == ["full"]
    for reply in held:
        await reply.aclose()
    assert bulkhead.held == {"anthropic": 0, "openai": 0}


async def test_providers_do_not_share_slots(clock: FakeClock, bulkhead: Bulkhead) -> None:
    await bulkhead(ask(clock), Scripted(streaming("a")))
    reply = await bulkhead(ask(clock, GPT), Scripted(streaming("b")))
    assert bulkhead.held == {"anthropic": 1, "openai": 1}
    await reply.aclose()
    assert bulkhead.held == {"anthropic": 1, "openai": 0}


async def test_a_slot_is_held_until_the_stream_ends(clock: FakeClock, bulkhead: Bulkhead) -> None:
    reply = await bulkhead(ask(clock), Scripted(streaming("a", "b")))
    await anext(reply)
    assert bulkhead.held["anthropic"] == 1
    async for _ in reply:
        pass
    assert bulkhead.held["anthropic"] == 0


async def test_a_broken_stream_gives_its_slot_back(clock: FakeClock, bulkhead: Bulkhead) -> None:
    reply = await bulkhead(ask(clock), Scripted(streaming("a", StreamBroken("cut", provider="anthropic"))))
    with pytest.raises(StreamBroken):
        async for _ in reply:
            pass
    assert bulkhead.held["anthropic"] == 0


async def test_a_whole_answer_holds_its_slot_until_the_reply_ends(clock: FakeClock, bulkhead: Bulkhead) -> None:
    reply = await bulkhead(ask(clock), Scripted(live()))
    assert bulkhead.held["anthropic"] == 1
    await reply.aclose()
    assert bulkhead.held["anthropic"] == 0


@pytest.mark.parametrize("error", [Unavailable("down", provider="anthropic"), ValueError("a defect")])
async def test_a_failed_call_gives_its_slot_back(clock: FakeClock, bulkhead: Bulkhead, error: Exception) -> None:
    with pytest.raises(type(error)):
        await bulkhead(ask(clock), Scripted(error))
    assert bulkhead.held["anthropic"] == 0


async def test_a_cancelled_call_gives_its_slot_back(clock: FakeClock, bulkhead: Bulkhead) -> None:
    async def hang(_: Ask) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.create_task(bulkhead(ask(clock), Scripted(hang)))
    await asyncio.sleep(0)
    assert bulkhead.held["anthropic"] == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bulkhead.held["anthropic"] == 0


async def test_a_slot_goes_back_to_the_provider_it_came_from(clock: FakeClock, bulkhead: Bulkhead) -> None:
    asked = ask(clock)
    reply = await bulkhead(asked, Scripted(streaming("a")))
    asked.rung = GPT  # the ladder went on, the stream ends later
    await reply.aclose()
    assert bulkhead.held == {"anthropic": 0, "openai": 0}
