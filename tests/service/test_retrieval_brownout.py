"""A worker that fills up searches less, step by step, says so each time, and keeps no such answer.

DESIGN, section 3 (retrieval). Next: ``test_corpus.py``.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.answer import Answer
from tests.stack import Stack
from tests.waiting import eventually

from .test_retrieval import ANSWER, ASKED, LONG, searches_by_all_means

ADMISSION = 8
LONG_MS = 30_000
HELD = """
[routes.held]
deadline_s = 60
[[routes.held.rungs]]
provider = "anthropic"
model = "claude-opus-4-7"
[routes.paper]
deadline_s = 20
retrieval = true
[[routes.paper.rungs]]
provider = "openai"
model = "gpt-5.5"
"""
"""Whoever holds the worker waits for one provider, whoever asks the handbook for the other."""


@pytest.fixture
async def filling(start_stack: Callable[..., Stack]) -> AsyncIterator[Stack]:
    """One worker that takes eight requests at once and searches by all means; one provider is very slow."""
    async with start_stack(workers=1, toml=f"admission = {ADMISSION}\n{LONG}{HELD}") as stack:
        await searches_by_all_means(stack)
        await stack.sim.latency("anthropic", first_token_ms=LONG_MS)
        yield stack


async def test_the_reranker_goes_first_then_passages_then_the_search_and_all_come_back(filling: Stack) -> None:
    alice = filling.caller()
    held: list[asyncio.Task[Answer]] = []

    async def hold(count: int) -> None:
        while len(held) < count:
            held.append(asyncio.create_task(filling.caller().chat(route="held")))

        async def called() -> bool:
            return len(await filling.sim.calls("anthropic")) == count

        await eventually(called, f"{count} slow calls")

    async def ask(case: str) -> dict[str, Any]:
        body = {"text": f"{ASKED} Case {case}.", "route": "paper"}
        answer = await alice.request("POST", "/chat?explain=1", body)
        assert answer.status == 200, answer.body
        told: dict[str, Any] = answer.json()
        return told

    async def passages(told: dict[str, Any]) -> int:
        query = f"select retrieval.passages as n from requests where request_id = '{told['request_id']}'"
        [row] = await filling.told(query)
        return int(row["n"])

    steps: list[tuple[int, list[str], int]] = [
        (2, [], 5),
        (3, ["rerank:pressure"], 5),
        (5, ["rerank:pressure", "retrieval:fewer"], 2),
        (6, ["retrieval:pressure"], 0),
    ]
    try:
        for count, degraded, given in steps:
            await hold(count)
            embedded = len(await filling.sim.calls("embeddings"))
            reranked = len(await filling.sim.calls("rerank"))
            told = await ask(str(count))
            assert (told["degraded"], await passages(told)) == (degraded, given), count
            assert (ANSWER in told["answer"]) is bool(given)
            assert bool(told["citations"]) is bool(given)
            assert len(await filling.sim.calls("embeddings")) == embedded + bool(given)
            assert len(await filling.sim.calls("rerank")) == reranked + (not degraded)
    finally:
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)

    async def empty() -> bool:
        return not (await ask("free"))["degraded"]

    await eventually(empty, "the worker to be free again")
    for count, degraded, _ in steps:
        told = await ask(str(count))
        assert (told["source"], told["degraded"]) == ("live" if degraded else "cache", [])
        assert ANSWER in told["answer"]
