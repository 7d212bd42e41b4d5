"""Retrieval: what a question finds before a model is asked, within a deadline of its own, and less under pressure.

Embed the question (or know its vector), search by words and vectors, rerank, give the model the best passages. Each
step may fail, and then the next one goes on with what there is: without embeddings words alone are compared, without a
reranker the fused order stays, without an index the model answers from the conversation. When the worker fills up the
optional parts go first (brownout: Klein and others, ICSE 2014). Each of these is named in ``degraded`` and on the
trace. Chapter, section 1 (layer 3). Next: ``prompt.py``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog

from ..clock import Clock
from ..errors import ProviderError
from ..observability.pii import suspected
from ..settings import EMBEDDINGS, RERANK, RetrievalSettings
from ..stages.ask import Ask, Retrieved
from ..stages.chain import Next
from ..stages.reply import Reply
from .embedding_cache import EmbeddingCache
from .embeddings import Embeddings, Vector, normalised
from .following import Following
from .index import Hit, Mode
from .passages import Passage
from .prompt import numbered, with_sources, without_marks
from .rerank import Rerank
from .search import Search

log = structlog.get_logger(__name__)
NAME = "retrieval"
NOTHING_SEARCHED, UNDER_PRESSURE, FEWER = NAME, f"{NAME}:pressure", f"{NAME}:fewer"
NOT_RERANKED = f"{RERANK}:pressure"
NOT_EMBEDDED = f"{EMBEDDINGS}:not_indexed"
"""Passages are in the index that have no vector yet: words alone find them."""
MOST_OF_WHAT_IS_LEFT = 0.25
"""The layer's part of a request's time, where the caller allows little."""
EMBED_SHARE = 0.5
"""Of the layer's deadline: the words are still to be searched then, and the candidates reranked."""
CACHE_SHARE = 0.3
"""Of it, for a store that hangs."""
MOST_QUERY_CHARACTERS = 2_000
"""Of a question that is searched with: its beginning says what it is about."""
Wanted = Literal["lexical", "dense", "hybrid", "rerank"]
"""The steps of a search that is looked at by itself; each but ``dense`` adds to the one before."""
SEARCH: dict[Wanted, Mode] = {"lexical": "lexical", "dense": "dense", "hybrid": "hybrid", "rerank": "hybrid"}


@dataclass(slots=True)
class Found:
    """What was found, best first, and how. ``degraded`` says what was lacking; ``cached`` is of the question's vector.

    ``mode`` is ``none`` where nothing could be searched.
    """

    hits: list[Hit] = field(default_factory=list)
    mode: str = "none"
    cached: bool | None = None
    degraded: list[str] = field(default_factory=list)

    @property
    def passages(self) -> list[Passage]:
        """Without their scores."""
        return [hit.passage for hit in self.hits]


class Retrieval:
    """The layer. ``pressure`` is how full the worker is: 1 when it turns requests away."""

    def __init__(
        self, settings: RetrievalSettings, *, following: Following, search: Search, embeddings: Embeddings | None,
        cache: EmbeddingCache, rerank: Rerank | None, pressure: Callable[[], float], clock: Clock,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._following = following
        self._search = search
        self._embeddings = embeddings
        self._cache = cache
        self._rerank = rerank
        self._pressure = pressure
        self._clock = clock

    def before(self, inner: Next) -> Next:
        """``inner`` with the passages in its question, on the routes that want them."""

        async def step(ask: Ask) -> Reply:
            if not ask.route.retrieval:
                return await inner(ask)
            if NAME in ask.off:
                ask.report(NAME, "off")
                return await inner(ask)
            entered = ask.enter(NAME)
            began_s = self._clock.monotonic()
            try:
                found = await self._for_prompt(ask, began_s)
            except Exception as error:  # a defect of ours, and no reason not to answer
                log.exception("retrieval_failed")
                entered.error = type(error).__name__
                found = Found(degraded=[NOTHING_SEARCHED])
            except BaseException as error:
                entered.error = type(error).__name__
                raise
            finally:
                ask.leave(entered)
            took_s = self._clock.monotonic() - began_s
            ask.retrieved = Retrieved(len(found.hits), found.mode, found.cached, took_s)
            if found.mode != "none":
                ask.system = with_sources(ask.system, found.passages)
                ask.messages = without_marks(ask.messages)
            reply = await inner(ask)
            reply.given(numbered(found.passages), found.degraded)
            return reply

        return step

    async def _for_prompt(self, ask: Ask, began_s: float) -> Found:
        """What the settings and the pressure allow for this question."""
        settings, pressure = self._settings, self._pressure()
        if pressure >= settings.search_until:
            ask.report(NAME, "none", why="pressure", pressure=round(pressure, 2))
            return Found(degraded=[UNDER_PRESSURE])
        few = pressure >= settings.more_until
        ranked = self._rerank is not None and pressure < settings.rerank_until
        until_s = began_s + max(min(settings.deadline_s, ask.left_s * MOST_OF_WHAT_IS_LEFT), 0.0)
        limit = min(settings.fewer_passages, settings.passages) if few else settings.passages
        found = await self.search(
            ask, ask.messages[-1].content, until_s, wanted="rerank" if ranked else "hybrid", limit=limit
        )
        if found.mode == "none":
            return found
        if self._rerank is not None and not ranked and RERANK not in ask.off:
            ask.report(NAME, "not_reranked", why="pressure", pressure=round(pressure, 2))
            found.degraded.append(NOT_RERANKED)
        if few:
            ask.report(NAME, "fewer", passages=limit, of=settings.passages, pressure=round(pressure, 2))
            found.degraded.append(FEWER)
        return found

    async def search(self, ask: Ask, text: str, until_s: float, *, wanted: Wanted, limit: int) -> Found:
        """The passages that answer ``text`` best, by ``until_s``; never raises what a dependency did."""
        if not await self._following.wait_ready(until_s):
            ask.report(NAME, "none", why="the index is not ready")
            return Found(degraded=[NOTHING_SEARCHED])
        began_s = self._clock.monotonic()
        query = normalised(text)[:MOST_QUERY_CHARACTERS]
        found = Found()
        vector = await self._vector(ask, query, began_s, until_s, found) if wanted != "lexical" else None
        candidates = max(self._settings.candidates, limit)
        try:
            found.hits, found.mode = await self._search.of(ask, query, vector, SEARCH[wanted], candidates, until_s)
        except ProviderError as error:
            log.warning("not_searched", reason=error.code, error=error.message)
            ask.report(NAME, "none", why="the index did not answer", reason=error.code)
            return Found(cached=found.cached, degraded=[NOTHING_SEARCHED])
        if vector is not None and found.mode == "lexical" and NOT_EMBEDDED not in found.degraded:
            found.degraded.append(NOT_EMBEDDED)  # a vector of another length than the passages have
        if wanted == "rerank" and RERANK in ask.off:
            ask.report(NAME, "not_reranked", why="switched off")
        elif wanted == "rerank" and self._rerank is not None and len(found.hits) > 1:
            await self._reordered(ask, self._rerank, query, until_s, found)
        found.hits = found.hits[:limit]
        ask.report(
            NAME,
            "found",
            passages=len(found.hits),
            mode=found.mode,
            ids=[hit.passage.id for hit in found.hits],
            scores=[round(hit.score, 4) for hit in found.hits],
        )
        return found

    async def _vector(self, ask: Ask, query: str, began_s: float, until_s: float, found: Found) -> Vector | None:
        """The question's vector, known or asked for; None where it cannot be had."""
        if self._embeddings is None or not query:
            return None
        if not self._following.has_vectors:
            found.degraded.append(NOT_EMBEDDED)
        known: dict[str, Vector] = {}
        try:
            async with self._clock.timeout_at(began_s + (until_s - began_s) * CACHE_SHARE):
                known = await self._cache.read([query])
        except TimeoutError:
            pass
        found.cached = query in known
        if found.cached:
            return known[query]
        try:
            embed_until_s = began_s + (until_s - began_s) * EMBED_SHARE
            [vector] = await self._embeddings.of(ask, [query], embed_until_s)
        except ProviderError as error:
            ask.report(NAME, "words_only", reason=error.code)
            found.degraded = [f"{EMBEDDINGS}:{error.code}"]
            return None
        if not suspected(query):
            self._cache.keep({query: vector})
        return vector

    async def _reordered(self, ask: Ask, rerank: Rerank, query: str, until_s: float, found: Found) -> None:
        """Put the candidates into the reranker's order; on failure the fused order stays."""
        try:
            scores = await rerank.of(ask, query, [hit.passage.indexed for hit in found.hits], until_s)
        except ProviderError as error:
            ask.report(NAME, "not_reranked", reason=error.code)
            found.degraded.append(f"{RERANK}:{error.code}")
            return
        found.hits = best_first([Hit(hit.passage, score) for hit, score in zip(found.hits, scores, strict=True)])
        found.mode = f"{found.mode}+{RERANK}"

    def get_ready(self) -> None:
        """Open the index now, and not with the first question."""
        self._following.need()

    async def aclose(self) -> None:
        """End what runs in the background, and the connections."""
        await self._following.aclose()
        for part in (self._embeddings, self._rerank):
            if part is not None:
                await part.aclose()


def best_first(hits: Sequence[Hit]) -> list[Hit]:
    """By score; equal ones stay in their order."""
    return sorted(hits, key=lambda hit: -hit.score)
