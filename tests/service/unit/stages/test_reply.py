"""``Reply``: hooks run once, innermost first, with how it ended."""

from typing import Any

import pytest

from service.errors import StreamBroken
from service.stages.reply import Delta, Outcome, Reply

from ..fakes import live, streaming

BROKEN = StreamBroken("cut", provider="anthropic")


def recorded(reply: Reply) -> list[tuple[str, Outcome, BaseException | None]]:
    ends: list[tuple[str, Outcome, BaseException | None]] = []
    reply.on_end(lambda _, outcome, error: ends.append(("inner", outcome, error)))
    reply.on_end(lambda _, outcome, error: ends.append(("outer", outcome, error)))
    return ends


async def test_a_stream_that_is_read_to_its_end_ends_whole_innermost_first() -> None:
    reply = streaming("4", "2")
    ends = recorded(reply)
    assert [event async for event in reply] == [Delta("4"), Delta("2")]
    assert ends == [("inner", "whole", None), ("outer", "whole", None)]


async def test_closing_an_ended_reply_runs_no_hook_again() -> None:
    reply = streaming("42")
    ends = recorded(reply)
    async for _ in reply:
        pass
    await reply.aclose()
    reply.end("error", BROKEN)
    assert len(ends) == 2


async def test_a_stream_that_breaks_ends_with_its_error() -> None:
    reply = streaming("4", BROKEN)
    ends = recorded(reply)
    with pytest.raises(StreamBroken):
        async for _ in reply:
            pass
    await reply.aclose()
    assert ends == [("inner", "error", BROKEN), ("outer", "error", BROKEN)]


async def test_a_stream_that_is_closed_early_ends_cancelled_and_closes_what_it_reads() -> None:
    closed = False

    async def events() -> Any:
        nonlocal closed
        try:
            yield Delta("4")
            yield Delta("2")
        finally:
            closed = True

    reply = Reply(source="live", provider="anthropic", model="m", events=events())
    ends = recorded(reply)
    assert await anext(reply) == Delta("4")
    await reply.aclose()
    assert closed
    assert ends == [("inner", "cancelled", None), ("outer", "cancelled", None)]


async def test_a_whole_reply_yields_its_text_once_and_ends_whole() -> None:
    reply = live("42")
    ends = recorded(reply)
    assert [event async for event in reply] == [Delta("42")]
    assert [event async for event in reply] == []
    await reply.aclose()
    assert [outcome for _, outcome, _ in ends] == ["whole", "whole"]


async def test_a_whole_reply_that_nobody_reads_still_ends_whole() -> None:
    reply = live()
    ends = recorded(reply)
    await reply.aclose()
    assert [outcome for _, outcome, _ in ends] == ["whole", "whole"]


async def test_what_a_reply_reads_is_closed_with_it_even_if_nobody_read_a_thing() -> None:
    inner = streaming("4", "2")

    async def events() -> Any:
        async for event in inner:
            yield event

    outer = Reply(source="live", provider="anthropic", model="m", events=events(), inner=inner)
    ends = recorded(inner)
    outer.on_end(lambda _, outcome, error: ends.append(("outermost", outcome, error)))
    await outer.aclose()
    assert [(name, outcome) for name, outcome, _ in ends] == [
        ("inner", "cancelled"),
        ("outer", "cancelled"),
        ("outermost", "cancelled"),
    ]


async def test_hooks_run_even_where_closing_fails() -> None:
    class Stuck:
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> Delta:
            return Delta("4")

        async def aclose(self) -> None:
            raise OSError("the connection would not close")

    reply = Reply(source="live", provider="anthropic", model="m", events=Stuck())
    ends = recorded(reply)
    with pytest.raises(OSError, match="would not close"):
        await reply.aclose()
    assert [outcome for _, outcome, _ in ends] == ["cancelled", "cancelled"]
