"""Each step of the search is worth its cost: the real service over the handbook's questions.

DESIGN, section 5 (the simulator's vectors mean something). Next: ``../loadtests/bench``.
"""

import asyncio
from collections.abc import Callable

import pytest

from loadtests.bench.retrieval.quality import ALL, Quality, first_right, is_best, measure, quality, questions
from tests.stack import Stack

from .test_retrieval import LONG, searches_by_all_means


@pytest.mark.timeout(300)
async def test_hybrid_and_rerank_find_most(start_stack: Callable[..., Stack]) -> None:
    async with start_stack(toml=LONG, workers=1) as stack:
        await stack.reset()
        await searches_by_all_means(stack)
        asked = questions()
        assert len(asked) >= 60
        measured = await asyncio.to_thread(measure, stack.url, asked)
        over_all = {mode: kinds[ALL] for mode, kinds in measured.items()}
        assert is_best(measured), over_all
        assert over_all["hybrid"].mrr > max(over_all["lexical"].mrr, over_all["dense"].mrr), over_all
        assert over_all["rerank"].recall > 0.8, over_all


def test_a_step_that_is_no_better_is_not_called_best() -> None:
    good, same = Quality(2, 1.0, 0.9), Quality(2, 1.0, 0.8)
    ranked = {mode: {ALL: same} for mode in ("lexical", "dense", "hybrid")}
    assert is_best({**ranked, "rerank": {ALL: good}})
    assert not is_best({**ranked, "rerank": {ALL: same}})
    assert not is_best({**ranked, "rerank": {ALL: Quality(2, 0.5, 0.9)}})


def test_recall_and_mrr_are_what_they_are_called() -> None:
    assert quality([1, 2, None, 6]) == Quality(4, 0.5, (1 + 0.5 + 0 + 1 / 6) / 4)
    assert first_right(["a", "b", "c"], frozenset({"c", "b"})) == 2
    assert first_right(["a"], frozenset({"z"})) is None
