"""One stream, many readers: all get all of it, whenever they come; it is closed when the last one leaves."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from service.errors import StreamBroken
from service.stages.broadcast import Broadcast
from service.stages.reply import Delta, Event, Reply, Restart

from ..fakes import pieces, read, streaming, until

BROKEN = StreamBroken("cut", provider="anthropic")


class Source:
    """A stream that yields what it is told to, when it is told to."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self.outcomes: list[str] = []
        self.reply = Reply(source="live", provider="anthropic", model="m", events=self.events())
        self.reply.on_end(lambda _, outcome, error: self.outcomes.append(outcome))

    async def events(self) -> AsyncIterator[Event]:
        while (event := await self.queue.get()) is not None:
            yield event

    def say(self, *texts: str) -> None:
        for text in texts:
            self.queue.put_nowait(Delta(text))


async def test_everybody_gets_everything_whenever_they_come() -> None:
    source = Source()
    stream = Broadcast(source.reply)
    leader = asyncio.create_task(read(stream.reader()))
    source.say("a", "b")
    await until(lambda: len(stream.events) == 2)
    follower = asyncio.create_task(read(stream.reader("shared")))
    source.say("c")
    source.queue.put_nowait(None)
    assert await leader == await follower == [Delta("a"), Delta("b"), Delta("c")]
    assert await read(stream.reader("shared")) == [Delta("a"), Delta("b"), Delta("c")], "after its end, too"
    assert source.outcomes == ["whole"]
    assert stream.text == "abc"


async def test_a_reader_says_who_answered_and_a_follower_that_it_shared() -> None:
    stream = Broadcast(streaming("4"))
    leader, follower = stream.reader(), stream.reader("shared")
    for reply in (leader, follower):
        await read(reply)
    assert (leader.source, leader.finish_reason) == ("live", "stop")
    assert (follower.source, follower.provider, follower.finish_reason) == ("shared", "anthropic", "stop")


async def test_after_a_restart_readers_tell_of_the_new_source() -> None:
    async def events() -> AsyncIterator[Event]:
        yield Delta("wrong")
        reply.source, reply.provider = "provider", "openai"
        reply.degraded.append("anthropic:stream_broken")
        yield Restart("stream_broken")
        yield Delta("42")

    reply = Reply(source="live", provider="anthropic", model="m", events=events())
    stream = Broadcast(reply)
    follower = stream.reader("shared")
    assert await read(follower) == [Delta("wrong"), Restart("stream_broken"), Delta("42")]
    assert (follower.source, follower.provider) == ("provider", "openai")
    assert follower.degraded == ["anthropic:stream_broken"]
    assert stream.text == "42"
    follower.degraded.append("session")
    assert reply.degraded == ["anthropic:stream_broken"], "what befalls one reader is not told by another"


async def test_whoever_leaves_disturbs_nobody_and_the_last_one_closes_the_stream() -> None:
    source = Source()
    stream = Broadcast(source.reply)
    leader, follower = stream.reader(), stream.reader("shared")
    source.say("a")
    assert await anext(leader) == Delta("a")
    await leader.aclose()
    source.say("b")
    assert [await anext(follower), await anext(follower)] == [Delta("a"), Delta("b")]
    assert source.outcomes == []
    await follower.aclose()
    await follower.aclose()
    assert source.outcomes == ["cancelled"]
    assert stream.abandoned


async def test_a_stream_that_is_left_before_it_was_read_is_closed_too() -> None:
    source = Source()
    await Broadcast(source.reply).reader().aclose()
    assert source.outcomes == ["cancelled"]


async def test_a_stream_that_breaks_breaks_for_everybody() -> None:
    stream = Broadcast(Reply(source="live", provider="anthropic", model="m", events=pieces("4", BROKEN)))
    for reply in (stream.reader(), stream.reader("shared")):
        assert await anext(reply) == Delta("4")
        with pytest.raises(StreamBroken):
            await anext(reply)
        await reply.aclose()
    assert not stream.abandoned
