"""A better order of the candidates, from any server that speaks ``/v1/rerank`` as Jina and Cohere do.

A reranker reads question and passage together, which comparing two vectors does not; so it judges better, costs more,
and is the first to be left out. Next: ``index.py``.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from ..llm.prices import NANO_USD
from ..llm.provider import Usage
from ..settings import RerankSettings
from ..stages.ask import Ask
from ..stages.chain import Next
from .upstream import BadShape, Errand, Upstream, run

PATH = "/rerank"
_MILLION = 1_000_000


def price_of(usd_per_mtok: float) -> "partial[int]":
    """What so many tokens cost at this price."""
    return partial(_price, round(usd_per_mtok * NANO_USD))


def _price(nano_usd_per_mtok: int, usage: Usage) -> int:
    return (usage.input_tokens * nano_usd_per_mtok + _MILLION // 2) // _MILLION


class Rerank:
    """The API behind ``chain`` (retry, breaker, bulkhead around ``upstream``)."""

    def __init__(self, settings: RerankSettings, upstream: Upstream, chain: Next) -> None:
        self._model = settings.model
        self._upstream = upstream
        self._chain = chain

    async def of(self, ask: Ask, query: str, documents: Sequence[str], until_s: float) -> list[float]:
        """How well each document answers, in order: more is better, the scale is the model's. Raises ProviderError."""
        body = {"model": self._model, "query": query, "documents": list(documents), "top_n": len(documents)}
        asked = len(query.encode())
        most = sum(asked + len(text.encode()) + 16 for text in documents)
        errand = Errand(body, partial(scores_in, count=len(documents)), most)
        return await run(self._upstream, self._chain, ask, errand, until_s)

    async def aclose(self) -> None:
        """End the connections."""
        await self._upstream.aclose()


def scores_in(answer: Any, *, count: int) -> list[float]:
    """The scores of an answer, in the order of what was asked. Raises BadShape, KeyError, TypeError."""
    rows = answer["results"]
    if len(rows) != count:
        raise BadShape(f"{len(rows)} scores for {count} documents")
    found: dict[int, float] = {}
    for row in rows:
        place, score = row["index"], row["relevance_score"]
        if type(place) is not int or not 0 <= place < count:
            raise BadShape(f"the index {str(place)[:20]} for {count} documents")
        if place in found:
            raise BadShape(f"the index {place} twice")
        if type(score) not in (int, float) or not math.isfinite(score):
            raise BadShape("a score that is no finite number")
        found[place] = float(score)
    return [found[place] for place in range(count)]
