"""The corpus over two workers: one fills the store, all follow it, and what changes is found while requests run.

DESIGN, section 3 (retrieval). Next: ``test_retrieval_quality.py``.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.collector import Collector
from tests.stack import Stack
from tests.waiting import at_once, eventually

from .refusals import problem
from .test_retrieval import ANSWER, ASKED, LONG, ask, searches_by_all_means

SHOP = (
    "# Shop\n\n## Opening hours\n\nThe zebra desk opens at nine.\n\n## Returns\n\nParcels come back in a fortnight.\n"
)


@pytest.fixture(scope="module")
def _followed(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    stack = Stack.start(tmp_path_factory.mktemp("followed"), collector=collector, toml=LONG)
    yield stack
    stack.end()


@pytest.fixture
async def followed(_followed: Stack) -> AsyncIterator[Stack]:
    """Two workers that search by all means in the handbook alone."""
    async with _followed as stack:
        await stack.reset()
        documents = (await stack.admin.request("GET", "/admin/corpus")).json()["documents"]
        own = [path for path in documents if not path.startswith("handbook/")]
        if own:
            await put(stack, remove=own)
        await searches_by_all_means(stack)
        await stack.reset()
        yield stack


async def put(stack: Stack, *documents: tuple[str, str], remove: list[str] | None = None, **more: Any) -> Any:
    body = {"documents": [{"path": p, "text": t} for p, t in documents], "remove": remove or [], **more}
    answer = await stack.admin.request("PUT", "/admin/corpus", body)
    assert answer.status == 200, answer.body
    return answer.json()


def counts(told: dict[str, Any]) -> tuple[int, ...]:
    return tuple(told[word] for word in ("added", "changed", "removed", "unchanged"))


async def all_find(stack: Stack, query: str, anchor: str | None) -> None:
    """Wait until each worker finds this passage first, or finds it no more (None: nothing of the shop)."""
    seen: set[str] = set()

    async def each() -> bool:
        for answer in await at_once(4, lambda _: stack.admin.request("POST", "/retrieve", {"query": query})):
            found = [p for p in answer.json()["passages"] if p["source"].startswith("shop/")]
            if (found[0]["anchor"] if found else None) == anchor:
                seen.add(answer.worker)
        return len(seen) == len(stack.workers())

    await eventually(each, f"each worker to find {anchor}", within_s=30)


async def test_one_worker_fills_an_empty_store_and_pays_once(followed: Stack) -> None:
    mine = " or ".join(f"instance like '{pid}-%'" for pid in followed.workers())
    rows = await followed.told(
        "select instance, cost_nano_usd from requests where method = 'WORK' and endpoint = '/corpus' "
        f"and cost_nano_usd > 0 and ({mine})"
    )
    assert len(rows) == 1


async def test_documents_are_replaced_by_passage_and_every_worker_finds_them(followed: Stack) -> None:
    assert counts(await put(followed, ("shop/a.md", SHOP))) == (2, 0, 0, 0)
    await all_find(followed, "When does the zebra desk open?", "opening-hours")
    assert len([c for c in await followed.sim.calls("embeddings") if c["input_tokens"] > 15]) == 1
    assert counts(await put(followed, ("shop/a.md", SHOP))) == (0, 0, 0, 2)
    assert counts(await put(followed, ("shop/a.md", SHOP.replace("nine", "ten")))) == (0, 1, 0, 1)
    renamed = SHOP.replace("## Returns", "## Sending back")
    assert counts(await put(followed, ("shop/a.md", renamed), dry_run=True)) == (1, 1, 1, 0)
    assert counts(await put(followed, ("shop/a.md", renamed))) == (1, 1, 1, 0)
    await all_find(followed, "Do parcels come back in a fortnight?", "sending-back")
    assert counts(await put(followed, remove=["shop/a.md"])) == (0, 0, 2, 0)
    await all_find(followed, "When does the zebra desk open?", None)


async def test_answers_of_another_version_of_the_corpus_are_not_served(followed: Stack) -> None:
    alice, asked = followed.caller(), {"text": "When does the zebra desk open?", "route": "handbook"}

    async def answered() -> Any:
        return (await alice.request("POST", "/chat", asked)).json()

    await put(followed, ("shop/a.md", SHOP))
    await all_find(followed, asked["text"], "opening-hours")
    assert "at nine" in (await answered())["answer"]

    async def kept() -> bool:
        return bool((await answered())["source"] == "cache")

    await eventually(kept, "the answer to be in the cache")
    await put(followed, ("shop/a.md", SHOP.replace("at nine", "at ten")))

    async def is_new() -> bool:
        return "at ten" in (await answered())["answer"]

    await eventually(is_new, "the new answer")


async def test_a_corpus_that_changes_under_load_fails_nobody(followed: Stack) -> None:
    async def change(n: int) -> None:
        for turn in range(3):
            await put(followed, (f"shop/{n}.md", SHOP.replace("nine", f"{n} and {turn}")))

    told, *_ = await at_once(
        3, lambda n: at_once(24, lambda k: ask(followed, f"{ASKED} Number {k}.")) if n == 0 else change(n)
    )
    assert all(ANSWER in one["answer"] for one in told)
    assert not any(reason.startswith("retrieval") for one in told for reason in one["degraded"])


async def test_passages_that_come_while_embeddings_are_away_are_found_by_words_and_get_vectors_later(
    followed: Stack,
) -> None:
    await followed.sim.fault("embeddings", "status", status=503)
    told = await put(followed, ("shop/a.md", SHOP))
    assert told["degraded"] == ["embeddings:circuit_open"] or told["degraded"] == ["embeddings:unavailable"]
    await all_find(followed, "When does the zebra desk open?", "opening-hours")
    await followed.sim.heal()
    await followed.close_breakers()
    await searches_by_all_means(followed)


async def test_what_is_no_document_is_refused_and_nothing_is_written(followed: Stack) -> None:
    before = (await followed.admin.request("GET", "/admin/corpus")).json()
    for body, words in (
        ({"documents": [{"path": "a.md", "text": "x"}, {"path": "b.md", "text": "a\0b"}]}, "NUL"),
        ({"documents": [{"path": "a#b.md", "text": "x"}]}, "path"),
        ({"documents": [{"path": "a.md", "text": "x"}, {"path": "a.md", "text": "y"}]}, "twice"),
        ({"pages": []}, "pages"),
    ):
        answer = await followed.admin.request("PUT", "/admin/corpus", body)
        assert words in problem(answer, 422)["detail"], answer.body
    problem(await followed.caller().request("PUT", "/admin/corpus", {}), 403)
    problem(await followed.caller().request("GET", "/admin/corpus"), 403)
    assert (await followed.admin.request("GET", "/admin/corpus")).json()["documents"] == before["documents"]


async def test_without_embeddings_at_the_first_question_words_find_the_handbook(
    start_stack: Callable[..., Stack],
) -> None:
    async with start_stack(toml=LONG) as stack:
        await stack.sim.fault("embeddings", "status", status=503)

        async def found() -> bool:
            told = await ask(stack)
            return ANSWER in told["answer"] and told["degraded"] != []

        await eventually(found, "words to find the passage", within_s=60)
        await stack.sim.heal()
        await stack.close_breakers()
        await searches_by_all_means(stack)
