"""The cache: what belongs into its key, and what is kept."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from service.errors import Unavailable
from service.llm.provider import Message
from service.stages.cache import CachedAnswer, key_of
from service.stages.citations import Citation
from service.stages.reply import Reply
from service.store.guard import Store

from ..fakes import (
    GPT,
    SONNET,
    FakeClock,
    Scripted,
    ask,
    decisions,
    live,
    route,
    streaming,
)
from .caching import Slow, Worker, degraded

ONE, TWO = Citation(1, "One", "a.md", "one"), Citation(2, "Two", "b.md", "two")
CHANGES: list[dict[str, Any]] = [
    {"tenant": "globex"},
    {"route": replace(route(), alias="economy")},
    {"route": route(GPT, SONNET)},
    {"route": route(SONNET)},
    {"system": "Be brief."},
    {"system": ""},
    {"max_tokens": 1023},
    {"temperature": 0.0},
    {"temperature": 0.5},
    {"seed": 0},
    {"seed": 1},
    {"messages": (Message("user", "What does it cost? "),)},
    {"messages": (Message("assistant", "What does it cost?"),)},
    {"messages": (Message("user", "a"), Message("assistant", "b"), Message("user", "What does it cost?"))},
    {"messages": ()},
]
"""Each changes the answer, or whose it is."""
SAME: list[dict[str, Any]] = [
    {"user": "bob"},
    {"request_id": "another"},
    {"stream": True},
    {"deadline_s": 1.0},
    {"traceparent": "00-x"},
    {"off": frozenset({"retry"})},
]
"""None changes the answer: a stream and a whole answer share one, and so do the users of a tenant."""


def test_whatever_changes_the_answer_changes_the_key(clock: FakeClock) -> None:
    keys = [key_of(ask(clock)), *(key_of(ask(clock, **change)) for change in CHANGES)]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("change", SAME, ids=lambda change: next(iter(change)))
def test_what_does_not_change_the_answer_leaves_the_key(clock: FakeClock, change: dict[str, Any]) -> None:
    assert key_of(ask(clock, **change)) == key_of(ask(clock))


def test_on_a_route_with_retrieval_the_corpus_and_the_switches_of_the_search_change_the_key(clock: FakeClock) -> None:
    searched, plain = replace(route(), retrieval=True), route()
    off = [frozenset[str](), frozenset({"retrieval"}), frozenset({"rerank"}), frozenset({"retrieval", "rerank"})]
    keys = {key_of(ask(clock, route=searched, off=some), version) for some in off for version in ("1", "2")}
    assert len(keys) == 8
    assert len({key_of(ask(clock, route=plain, off=some), version) for some in off for version in ("1", "2")}) == 1
    assert key_of(ask(clock, route=searched, off=frozenset({"retry"})), "1") in keys


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


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
PARTS = st.fixed_dictionaries(
    {
        "tenant": TEXT,
        "system": st.none() | TEXT,
        "max_tokens": st.integers(1, 3),
        "temperature": st.none() | st.sampled_from([0.0, 0.5, 1.0]),
        "seed": st.none() | st.integers(0, 2),
        "messages": st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), TEXT), max_size=3).map(tuple),
    }
)


@hypothesis(max_examples=150)
@given(PARTS, PARTS)
def test_keys_are_equal_exactly_when_all_parts_are(one: dict[str, Any], two: dict[str, Any]) -> None:
    clock = FakeClock()
    assert (key_of(ask(clock, **one)) == key_of(ask(clock, **two))) == (one == two)
    assert key_of(ask(clock, **one)) == key_of(ask(clock, **one))


def test_the_key_is_the_same_in_every_process(clock: FakeClock) -> None:
    code = (
        "from tests.service.unit.fakes import *; from service.stages.cache import key_of;"
        "print(key_of(ask(FakeClock(), system='ä', seed=3)))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "1"}, capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.strip() == key_of(ask(clock, system="ä", seed=3))


@pytest.mark.parametrize("source", ["live", "message"])
def test_an_answer_survives_its_encoding(source: Any) -> None:
    answer = CachedAnswer("4ä2", None, "m", "stop", source, ("a:b",), ("seed",), 3.0)
    assert json.loads(answer.encode())["text"] == "4ä2"
    assert CachedAnswer.decode(answer.encode(), 7.0) == replace(answer, age_s=7.0)


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
