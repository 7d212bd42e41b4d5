"""The layer's composition: from the settings and the worker's parts to what ``parts.py`` puts before the ladder.

Next: ``retrieve.py``.
"""

import hashlib
from collections.abc import Callable

import orjson
from fastapi import APIRouter

from ..clock import Clock
from ..own_work import Steps
from ..settings import EMBEDDINGS, RERANK, Settings, provider_key
from ..stages.call import FAIR_SHARE
from ..stages.chain import Next, Stage
from ..stages.switches import Switches
from ..store.guard import Store
from ..store.lease import Lease
from ..store.liveness import Liveness
from ..store.replica import Replica
from ..store.settle import Settle
from . import embeddings, prompt, rerank
from .corpus import Corpus
from .embedding_cache import EmbeddingCache
from .embeddings import Embeddings
from .endpoints import RetrievalEndpoints
from .following import LEASE, Following
from .index import Index
from .rerank import Rerank
from .retrieve import Retrieval
from .search import Search
from .upstream import Upstream
from .work import OwnWork

COLLECTION = "gauntlet"
"""Begins the names of the collections in Qdrant."""


class RetrievalLayer:
    """One worker's.

    ``around`` puts retry, breaker and bulkhead around a call, ``breaker`` alone stands before a server's index;
    ``steps`` are those of own work.
    """

    def __init__(
        self, settings: Settings, *, around: Callable[[Next], Next], store: Store, replica: Replica, settle: Settle,
        liveness: Liveness, breaker: Stage, pressure: Callable[[], float], steps: Steps,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._settings = given = settings.retrieval
        self._clock = clock
        hint_max_s = settings.breaker.pause_max_s
        embedder: Embeddings | None = None
        if given.embeddings.base_url is not None:
            call = Upstream(
                EMBEDDINGS,
                given.embeddings,
                path=embeddings.PATH,
                api_key=provider_key(settings, given.embeddings.api_key_env),
                price=embeddings.price_of(given.embeddings.model),
                hint_max_s=hint_max_s,
                clock=clock,
            )
            embedder = Embeddings(given.embeddings, call, around(call))
        reranker: Rerank | None = None
        if given.rerank.base_url is not None:
            call = Upstream(
                RERANK,
                given.rerank,
                path=rerank.PATH,
                api_key=provider_key(settings, given.rerank.api_key_env),
                price=rerank.price_of(given.rerank.usd_per_mtok),
                hint_max_s=hint_max_s,
                clock=clock,
            )
            reranker = Rerank(given.rerank, call, around(call))
        index = Index(settings.qdrant_url, settings.qdrant_api_key, COLLECTION)
        self._corpus = Corpus(embedder, store=store, replica=replica)
        self.following = Following(
            index,
            self._corpus,
            handbook=given.handbook,
            lease=Lease(store, liveness, LEASE),
            work=OwnWork(given.embeddings.model, steps=steps, clock=clock),
            clock=clock,
        )
        self._retrieval = Retrieval(
            given,
            following=self.following,
            search=Search(index, breaker=breaker, fair_s=given.deadline_s * FAIR_SHARE, clock=clock),
            embeddings=embedder,
            cache=EmbeddingCache(self._corpus.space, keep_s=given.embeddings.cache_s, store=store, settle=settle),
            rerank=reranker,
            pressure=pressure,
            clock=clock,
        )
        made_from = [
            self._corpus.space,
            given.passages,
            given.candidates,
            given.rerank.model if reranker else None,
            *prompt.WORDS,
        ]
        self._made_from = hashlib.sha256(orjson.dumps(made_from)).hexdigest()
        self.before = self._retrieval.before
        self.get_ready = self._retrieval.get_ready
        self.aclose = self._retrieval.aclose

    @property
    def searched(self) -> str | None:
        """Names all that decides what a question finds, and how a model is told; None where nothing is known yet."""
        version = self.following.version
        return None if version is None else f"{version} {self._made_from}"

    def router(self, *, switches: Switches, body_max_bytes: int) -> APIRouter:
        """The layer's endpoints."""
        endpoints = RetrievalEndpoints(
            self._retrieval,
            self._corpus,
            self.following,
            self._settings,
            switches=switches,
            clock=self._clock,
            body_max_bytes=body_max_bytes,
        )
        return endpoints.router
