"""Retrieval over two workers: answers cite, each dependency fails by itself, and everything finds its way back.

DESIGN, section 3 (retrieval). Next: ``test_corpus.py``.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.collector import Collector
from tests.settings import QUICK
from tests.stack import Stack
from tests.waiting import at_once, eventually

from .refusals import problem

SEARCH = """
[retrieval]
deadline_s = 4
[retrieval.embeddings]
timeout_s = 1
connect_timeout_s = 1
[retrieval.rerank]
timeout_s = 1
connect_timeout_s = 1
[rate_limit.user]
requests_per_min = 60000
burst = 10000
tokens_per_min = 1000000000
[rate_limit.tenant]
requests_per_min = 600000
burst = 100000
tokens_per_min = 1000000000
[routes.handbook]
deadline_s = 20
"""
"""Times that a busy machine keeps; the shares and the order of things are as they ship."""
LONG = "admission_lag_s = 60\n" + QUICK + SEARCH
ASKED = "Which retry budgets do Finagle and Envoy use?"
ANSWER = "Finagle permits 20 percent"
PASSAGE = "a-budget-for-repeated-calls"
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "status": ({"status": 503}, "unavailable"),
    "429": ({"status": 429, "retry_after": "30"}, "provider_rate_limited"),
    "refused": ({}, "connection_failed"),
    "bad_body": ({"kind": "missing_fields"}, "bad_answer"),
    "hang": ({}, "timed_out"),
}
AFTERWARDS = {"circuit_open", "paused"}
"""What is said once the fleet knows."""


async def searches_by_all_means(stack: Stack) -> None:
    """Wait until each worker has its index and the vectors are there."""
    seen: set[str] = set()

    async def all_ready() -> bool:
        for answer in await at_once(4, lambda _: stack.admin.request("POST", "/retrieve", {"query": ASKED})):
            told = answer.json()
            if answer.status == 200 and told["mode"] == "hybrid+rerank" and not told["degraded"]:
                seen.add(answer.worker)
        return len(seen) == len(stack.workers())

    await eventually(all_ready, "each worker to search by all means", within_s=60)


@pytest.fixture(scope="module")
def _searching(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    stack = Stack.start(tmp_path_factory.mktemp("searching"), collector=collector, toml=LONG)
    yield stack
    stack.end()


@pytest.fixture
async def searching(_searching: Stack) -> AsyncIterator[Stack]:
    """Two workers that search by all means; quick answers, no faults, closed circuits, an empty ledger."""
    async with _searching as stack:
        await stack.reset()
        await searches_by_all_means(stack)
        await stack.reset()
        yield stack


async def ask(stack: Stack, text: str = ASKED, **more: Any) -> dict[str, Any]:
    """A handbook question of a caller of its own."""
    answer = await stack.caller().request("POST", "/chat?explain=1", {"text": text, "route": "handbook", **more})
    assert answer.status == 200, answer.body
    told: dict[str, Any] = answer.json()
    return told


def reasons(told: list[dict[str, Any]]) -> set[str]:
    return {reason for one in told for reason in one["degraded"]}


async def test_an_answer_cites_the_passages_that_it_is_made_of(searching: Stack) -> None:
    told = await ask(searching)
    assert ANSWER in told["answer"]
    assert told["degraded"] == []
    first = told["citations"][0]
    assert (first["source"], first["anchor"]) == ("handbook/04-retries.md", PASSAGE)
    assert f"[{first['n']}]" in told["answer"]
    assert {f"[{one['n']}]" in told["answer"] for one in told["citations"]} == {True}
    without = await searching.caller().chat(ASKED)
    assert ANSWER not in without.json()["answer"]
    assert without.json()["citations"] == []


async def test_streams_and_openais_surface_cite_too(searching: Stack) -> None:
    events = await searching.caller().stream(ASKED, route="handbook")
    assert events[-1][0] == "done"
    assert PASSAGE in {one["anchor"] for one in events[-1][1]["citations"]}
    body: dict[str, Any] = {"model": "handbook", "messages": [{"role": "user", "content": ASKED}]}
    whole = (await searching.caller().request("POST", "/v1/chat/completions", body)).json()
    assert PASSAGE in {one["anchor"] for one in whole["gauntlet"]["citations"]}
    streamed = await searching.caller().events(
        "/v1/chat/completions", {**body, "stream": True, "stream_options": {"include_usage": True}}
    )
    told = next(data["gauntlet"] for _, data in streamed if data != "[DONE]" and "gauntlet" in data)
    assert PASSAGE in {one["anchor"] for one in told["citations"]}


async def test_a_known_vector_makes_no_call(searching: Stack) -> None:
    asked = "How do burst size and refill rate work together, asked once more?"
    await ask(searching, asked)
    assert len(await searching.sim.calls("embeddings")) == 1
    again = [await ask(searching, f"  {asked.replace(' ', '   ')}\n") for _ in range(3)]
    ids = ", ".join(f"'{one['request_id']}'" for one in again)
    assert len(await searching.sim.calls("embeddings")) == 1
    query = f"select retrieval.cached as cached from requests where request_id in ({ids})"
    rows = await searching.told(query, rows=3)
    assert [row["cached"] for row in rows] == [True] * 3
    # Whether anybody has asked it before is nobody's business who asks.
    assert not any("cached" in row["inputs"] for one in again for row in one["path"])


async def test_calls_are_numbered_over_the_whole_request_and_cost_what_the_provider_bills(searching: Stack) -> None:
    told = await ask(searching, "What is the generation number good for, in a word?")
    calls = await searching.sim.calls()
    assert [(call["target"], call["attempt"]) for call in calls] == [
        ("embeddings", 1),
        ("rerank", 2),
        ("anthropic", 3),
    ]
    assert {call["request_id"] for call in calls} == {told["request_id"]}
    assert calls[0]["billed_nano_usd"] > 0
    assert round(told["cost_usd"] * 1e9) == sum(call["billed_nano_usd"] for call in calls)
    [row] = await searching.told(
        "select retrieval.passages as passages, retrieval.mode as mode, retrieval.cached as cached "
        f"from requests where request_id = '{told['request_id']}'"
    )
    assert (row["passages"], row["mode"], row["cached"]) == (5, "hybrid+rerank", False)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("target", ["embeddings", "rerank"])
async def test_a_dependency_that_fails_costs_its_part_alone_and_comes_back(
    searching: Stack, target: str, fault: str
) -> None:
    params, code = FAULTS[fault]
    await searching.sim.fault(target, "status" if fault == "429" else fault, **params)
    told = list(await at_once(16, lambda n: ask(searching, f"{ASKED} Case {n} of {target} and {fault}.")))
    told += [await ask(searching, f"{ASKED} Later {n} of {target} and {fault}.") for n in range(4)]
    # Both are behind one listener of the simulator: who refuses connections to one refuses them to both.
    hit = {"embeddings", "rerank"} if fault == "refused" else {target}
    named = {reason.partition(":")[2] for reason in reasons(told)}
    assert {target} <= {reason.partition(":")[0] for reason in reasons(told)} <= hit
    assert named <= {code, *AFTERWARDS}
    assert any((row["stage"], row["decision"]) == ("call", code) for one in told for row in one["path"])
    assert all(one["degraded"] and ANSWER in one["answer"] and one["citations"] for one in told)
    assert all(not any(row["decision"] == "store" for row in one["path"] if row["stage"] == "cache") for one in told)
    if fault == "429":
        await searching.sim.heal()
        await searching.close_breakers()
    else:
        assert (await searching.breakers())[target] == "open"
        # Four attempts, none of them after the circuit is open; those at once are under way by then.
        assert len(await searching.sim.calls(target)) <= 16 * 4
        before = len(await searching.sim.calls(target))
        now = reasons([await ask(searching, f"{ASKED} Now {target} and {fault}.")])
        assert now & {f"{target}:circuit_open", f"{target}:{code}"}
        assert len(await searching.sim.calls(target)) <= before + 1  # the probe, if the cool-down is over
        await searching.sim.heal()

    async def whole_again() -> bool:
        return not (await ask(searching, f"{ASKED} Again {target} and {fault}?"))["degraded"]

    await eventually(whole_again, f"{target} to be used again")
    assert (await searching.breakers())[target] == "closed"


async def test_with_both_away_words_find_the_passage(searching: Stack) -> None:
    await searching.sim.fault("embeddings", "refused")
    await searching.sim.fault("rerank", "refused")
    told = await ask(searching, f"{ASKED} Both are away.")
    assert {reason.partition(":")[0] for reason in told["degraded"]} == {"embeddings", "rerank"}
    assert ANSWER in told["answer"]


async def test_a_hang_ends_with_the_layers_deadline_and_not_with_the_requests(searching: Stack) -> None:
    for target in ("embeddings", "rerank"):
        await searching.sim.fault(target, "hang")
    began_s = asyncio.get_running_loop().time()
    told = await ask(searching, f"{ASKED} Everything hangs.")
    assert asyncio.get_running_loop().time() - began_s < 15
    spent_ms = next(row["t_ms"] for row in told["path"] if row["decision"] == "rung")
    assert spent_ms < 5000  # the layer's four seconds, and what it takes to notice
    assert ANSWER in told["answer"]


async def test_switched_off_the_model_answers_from_the_conversation_and_nobody_is_called(searching: Stack) -> None:
    try:
        await searching.switch(retrieval=False)
        told = await ask(searching)
        assert ANSWER not in told["answer"]
        assert (told["citations"], told["degraded"]) == ([], [])
        assert Counter(call["target"] for call in await searching.sim.calls()) == {"anthropic": 1}
        await searching.switch(retrieval=True, rerank=False)
        told = await ask(searching, f"{ASKED} Without a reranker.")
        assert (ANSWER in told["answer"], told["degraded"]) == (True, [])
        assert await searching.sim.calls("rerank") == []
    finally:
        await searching.switch(retrieval=True, rerank=True)


async def test_a_degraded_answer_is_not_kept_and_a_whole_one_is_with_its_citations(searching: Stack) -> None:
    alice = searching.caller()

    async def asked() -> dict[str, Any]:
        told: dict[str, Any] = (await alice.request("POST", "/chat", {"text": ASKED, "route": "handbook"})).json()
        return told

    await searching.sim.fault("rerank", "status", status=400, times=1)
    assert (await asked())["degraded"] == ["rerank:misconfigured"]
    whole = await asked()
    assert (whole["source"], whole["degraded"]) == ("live", [])

    async def is_kept() -> bool:
        return bool((await asked())["source"] == "cache")

    await eventually(is_kept, "the answer to be in the cache")
    assert (await asked())["citations"] == whole["citations"] != []


async def test_an_answer_of_the_second_rung_cites_the_same(searching: Stack) -> None:
    told = await ask(searching)
    await searching.sim.fault("anthropic", "status", status=503)
    other = await ask(searching, f"{ASKED} From the second rung.")
    assert other["source"] in ("provider", "smaller_model")
    assert [one["anchor"] for one in other["citations"]][:1] == [told["citations"][0]["anchor"]]


async def test_a_search_can_be_looked_at_step_by_step_by_an_admin_alone(searching: Stack) -> None:
    for mode, wanted in (("lexical", "lexical"), ("dense", "dense"), ("hybrid", "hybrid"), ("rerank", "hybrid+rerank")):
        answer = await searching.admin.request("POST", "/retrieve", {"query": ASKED, "mode": mode, "k": 3})
        told = answer.json()
        assert (told["mode"], len(told["passages"]), told["degraded"]) == (wanted, 3, [])
        assert told["passages"][0]["anchor"] == PASSAGE
    problem(await searching.caller().request("POST", "/retrieve", {"query": ASKED}), 403)
    problem(await searching.admin.request("POST", "/retrieve", {"query": ASKED, "mode": "magic"}), 422)


async def test_a_store_that_dies_takes_nothing_that_is_found(searching: Stack) -> None:
    searching.valkey.kill()
    try:
        told = await ask(searching, f"{ASKED} The store is dead.")
        assert ANSWER in told["answer"]
        assert "session" in told["degraded"]
        assert not any(reason.startswith(("retrieval", "embeddings", "rerank")) for reason in told["degraded"])
    finally:
        searching.valkey.start()
    await searches_by_all_means(searching)
