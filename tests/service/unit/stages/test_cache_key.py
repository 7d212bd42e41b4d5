"""What belongs into the cache's key, and what does not."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from service.llm.provider import Message
from service.stages.cache_key import key_of

from ..fakes import GPT, SONNET, FakeClock, ask, route

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
        "from tests.service.unit.fakes import *; from service.stages.cache_key import key_of;"
        "print(key_of(ask(FakeClock(), system='ä', seed=3)))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "1"}, capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.strip() == key_of(ask(clock, system="ä", seed=3))
