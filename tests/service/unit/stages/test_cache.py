"""The cache: what is kept, for whom, and how long."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from service.errors import Unavailable
from service.llm.provider import Message
from service.stages.citations import Citation
from service.stages.reply import Reply
from service.store.guard import Store

from ..fakes import GPT, SONNET, Scripted, decisions, live, route, streaming
from .caching import Slow, Worker, degraded

ONE, TWO = Citation(1, "One", "a.md", "one"), Citation(2, "Two", "b.md", "two")


async def test_before_a_corpus_is_known_a_route_with_retrieval_is_not_cached(worker: Worker) -> None:
    inner = Scripted(live())
    searched = replace(route(), retrieval=True)
    for _ in range(2):
        asked, _ = await worker.ask(inner, route=searched)
        assert decisions(asked, "cache") == ["bypass"]
    worker.searched = "0 rules"
    for _ in range(2):
        await worker.ask(inner, route=searched)
    assert len(inner.rungs) == 3


@pytest.mark.parametrize(("sources", "kept"), [(None, None), ((), ()), ((ONE, TWO), (TWO,))])
async def test_a_hit_cites_what_the_answer_cited_and_says_nothing_where_the_stage_knew_nothing(
    worker: Worker, sources: Any, kept: Any
) -> None:
    first = live("So it is. [2]")
    first.sources = sources
    inner = Scripted(first)
    await worker.ask(inner)
    _, hit = await worker.ask(inner)
    assert (hit.source, hit.sources) == ("cache", kept)


async def test_the_second_same_question_is_a_hit(worker: Worker) -> None:
    inner = Scripted(live("42"))
    first, one = await worker.ask(inner)
    second, two = await worker.ask(inner, user="bob", stream=True)
    assert (one.source, two.source) == ("live", "cache")
    assert (two.text, two.provider, two.model) == ("42", SONNET.provider, SONNET.model)
    assert len(inner.rungs) == 1
    assert decisions(first, "cache") == ["miss", "store"]
    assert decisions(second, "cache") == ["hit"]


async def test_another_tenant_never_gets_it(worker: Worker) -> None:
    inner = Scripted(live("secret"), live("other"))
    await worker.ask(inner)
    _, reply = await worker.ask(inner, tenant="globex")
    assert reply.text == "other"


async def test_a_stream_is_stored_whole_and_hit_as_a_whole(worker: Worker) -> None:
    inner = Scripted(streaming("4", "2"), live("never"))
    await worker.ask(inner, stream=True)
    _, reply = await worker.ask(inner)
    assert (reply.text, reply.source, reply.finish_reason) == ("42", "cache", "stop")


@pytest.mark.parametrize(
    ("temperature", "seed", "calls"), [(0.7, None, 2), (0.7, 3, 1), (0.0, None, 1), (None, None, 1)]
)
async def test_only_a_random_answer_bypasses(worker: Worker, temperature: float, seed: int, calls: int) -> None:
    inner = Scripted(live())
    for _ in range(2):
        await worker.ask(inner, temperature=temperature, seed=seed)
    assert len(inner.rungs) == calls


@pytest.mark.parametrize(
    "change", [{"messages": (Message("user", "Who is a@example.org?"),)}, {"system": "Call me 0170 1234567."}]
)
async def test_what_may_hold_personal_data_is_neither_kept_nor_shared(
    worker: Worker, store: Store, change: dict[str, Any]
) -> None:
    slow = Slow()
    tasks = [asyncio.create_task(worker.cache(worker.new(**change), slow)) for _ in range(2)]
    await slow.called(2)
    for gate in slow.gates:
        gate.set_result(live())
    assert [(await task).source for task in tasks] == ["live", "live"]
    assert await store.execute("DBSIZE") == 0


async def test_an_answer_that_may_hold_personal_data_is_not_kept(worker: Worker, store: Store) -> None:
    asked, _ = await worker.ask(Scripted(live("Call 0170 1234567.")))
    assert decisions(asked, "cache") == ["miss", "not_stored"]
    assert await store.execute("DBSIZE") == 0


NOT_STORED: dict[str, Callable[[], Reply]] = {
    "truncated": lambda: live("4", finish_reason="length"),
    "empty": lambda: live(""),
    "of a rung above 0": lambda: degraded(live(rung=GPT)),
    "of a vendor's own ending": lambda: live(finish_reason="pause_turn"),
}


@pytest.mark.parametrize("make", NOT_STORED.values(), ids=NOT_STORED.keys())
async def test_a_lesser_answer_is_not_stored(worker: Worker, store: Store, make: Callable[[], Reply]) -> None:
    inner = Scripted(make(), make())
    await worker.ask(inner)
    await worker.ask(inner)
    assert len(inner.rungs) == 2
    assert await store.execute("DBSIZE") == 0, "and its lease was given back"


@pytest.mark.parametrize("stored", [b"[]", b"{}", b"\x80", b'{"text": "4", "from": "the future"}'])
async def test_an_answer_that_cannot_be_read_is_asked_anew_and_replaced(
    worker: Worker, store: Store, stored: bytes
) -> None:
    await worker.ask(Scripted(live("41")))
    [key] = await store.execute("KEYS", "cache:*")
    await store.execute("SET", key, stored, "PX", 86_400_000)
    assert (await worker.ask(Scripted(live("42"))))[1].text == "42"
    assert (await worker.ask(Scripted(live("never"))))[1].text == "42"


async def test_a_stale_answer_is_kept_for_the_ladder_and_not_given_as_fresh(worker: Worker, store: Store) -> None:
    await worker.ask(Scripted(live("41")))
    [key] = await store.execute("KEYS", "cache:*")
    await store.execute("PEXPIRE", key, (86_400 - 3600) * 1000 - 1)
    asked = worker.new()
    with pytest.raises(Unavailable):
        await worker.cache(asked, Scripted(Unavailable("down", provider="anthropic")))
    assert asked.stale is not None
    assert asked.stale.text == "41"
    assert asked.stale.age_s == pytest.approx(3600, abs=5)
    await worker.settle.drain()
    _, reply = await worker.ask(Scripted(live("43")))
    assert (reply.text, reply.source) == ("43", "live")
