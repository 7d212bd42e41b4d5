"""The index: what of the corpus is near a question, by words, by vectors, or by both.

Qdrant keeps both kinds of vectors and fuses the two rankings itself (reciprocal rank fusion), in the memory of each
worker or on a server, with the same calls. In memory it is Python that would hold up the event loop, so it runs in a
thread, one call at a time, and what is written goes in small pieces between which searches have their turn; searches
of a server run side by side. A collection is of one corpus, one space of vectors and one length, which its name says:
two deployments may share a server, and workers with two models disturb each other no more than two programs do. The
library takes two seconds to import, so nobody does who does not search, and who does is forked from a process that has
(``../__main__.py``). Next: ``corpus.py``.
"""

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import terms
from .embeddings import Vector
from .passages import Passage

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.models import ScoredPoint

T = TypeVar("T")
Mode = Literal["lexical", "dense", "hybrid"]
DENSE, TERMS = "dense", "terms"
RANK_CONSTANT = 60
"""Of reciprocal rank fusion: Cormack, Clarke and Büttcher (SIGIR 2009)."""
AT_ONCE = 8
"""Points that are written in one call: in memory a search waits for no more than these."""
READ_AT_ONCE = 128
"""Points in one answer of a server."""
WITHOUT_VECTORS = 1
"""The length that a collection has until the first vector is known: no vector of a model is so short."""
SERVER_THREADS = 16
"""For searches of a server; whatever else is asked of it stands in one other."""
SEARCH_TIMEOUT_S = 1
"""For a search: it keeps its thread for no longer, and who asked has a shorter deadline."""
SERVER_TIMEOUT_S = 5
"""For any other call to a server."""
_NAMESPACE = uuid.UUID("6f1c1d5e-8a35-5b0e-9d3c-2f3c8f0a7c11")


@dataclass(slots=True, frozen=True)
class Hit:
    """A passage that was found. ``score`` has the scale of its search: more is better."""

    passage: Passage
    score: float


@dataclass(slots=True, frozen=True)
class Held:
    """What the index has of a passage: the hash of its text, and the space of its vector ("" where it has none)."""

    sha256: str
    space: str


class Index:
    """One worker's. All methods leave the event loop free; ``open`` comes first.

    ``prefix`` begins the names of its collections. ``held`` is of the event loop alone: threads say what they did.
    """

    def __init__(self, url: str | None, api_key: str | None, prefix: str) -> None:
        self._url = url
        self._api_key = api_key
        self._prefix = prefix
        self._threads = self._searches = ThreadPoolExecutor(max_workers=1, thread_name_prefix="index")
        if url:
            self._searches = ThreadPoolExecutor(max_workers=SERVER_THREADS, thread_name_prefix="search")
        self._client: QdrantClient | None = None
        self._searcher: QdrantClient | None = None
        self._collection = ""
        self._passages: dict[str, Passage] = {}
        self.size = 0
        """Numbers in a vector; 0 before one is known."""
        self.held: dict[str, Held] = {}
        """By the passage's id."""

    @property
    def on_server(self) -> bool:
        """Whether searches go over the network, where they can fail."""
        return self._url is not None

    async def open(self, corpus: str, space: str, size: int) -> None:
        """Import the library, and have the collection for vectors of this space and length; read what a server holds.

        To be called again when one of the three changes. Raises what the library does when the server is away.
        """
        before = self._collection
        if self._client is None:
            self._client, self._searcher = await self._off_loop(self._connected)
        client, collection = self._opened(self._client), self._name(corpus, space, size)
        held = await self._off_loop(lambda: self._open(client, collection, size))
        self._collection, self.size, self.held = collection, size, held
        if not self._url:
            self._passages = {}
            if before:  # searches that are under way have it still: they are before this one in the thread
                await self._off_loop(partial(client.delete_collection, before))

    def opened(self, corpus: str, space: str, size: int) -> bool:
        """Whether it is open, for this corpus and these vectors."""
        return self._client is not None and self._collection == self._name(corpus, space, size)

    def _name(self, corpus: str, space: str, size: int) -> str:
        whose = f"{corpus} {space} {size}" if self._url else f"{space} {size}"  # memory is nobody else's
        return f"{self._prefix}-{hashlib.sha256(whose.encode()).hexdigest()[:12]}"

    def _connected(self) -> tuple["QdrantClient", "QdrantClient"]:
        """A client for what is written, and one for searches. Nothing is asked of a server yet."""
        from qdrant_client import QdrantClient

        if not self._url:
            return (client := QdrantClient(":memory:")), client
        reach = partial(QdrantClient, url=self._url, api_key=self._api_key, check_compatibility=False)
        return reach(timeout=SERVER_TIMEOUT_S), reach(timeout=SEARCH_TIMEOUT_S)

    def _open(self, client: "QdrantClient", collection: str, size: int) -> dict[str, Held]:
        from qdrant_client import models

        if client.collection_exists(collection):
            return self._all_held(client, collection)
        dense = models.VectorParams(size=size or WITHOUT_VECTORS, distance=models.Distance.COSINE)
        client.create_collection(
            collection,
            vectors_config={DENSE: dense},
            sparse_vectors_config={TERMS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        )
        return {}

    def _all_held(self, client: "QdrantClient", collection: str) -> dict[str, Held]:
        held: dict[str, Held] = {}
        place: Any = None
        while True:
            rows, place = client.scroll(
                collection, limit=READ_AT_ONCE, offset=place, with_payload=["id", "sha256", "space"]
            )
            for row in rows:
                payload = row.payload or {}
                held[payload["id"]] = Held(payload["sha256"], payload["space"])
            if place is None:
                return held

    async def has_lost(self) -> bool:
        """Whether a server holds less or more than we believe; we believe it then. Raises what the library does."""
        if self._url is None:
            return False
        client, collection = self._opened(self._client), self._collection

        def read() -> dict[str, Held] | None:
            if not client.collection_exists(collection):
                return {}
            stands = client.count(collection, exact=True).count == len(self.held)
            return None if stands else self._all_held(client, collection)

        held = await self._off_loop(read)
        if held is None:
            return False
        self.held = held
        if not held:
            self._collection = ""  # it may have to be made anew
        return True

    async def put(self, passages: Sequence[Passage], vectors: Mapping[str, Vector], space: str) -> None:
        """Add or replace passages, each with its vector of this space where ``vectors`` has one for its id."""
        for begin in range(0, len(passages), AT_ONCE):
            some = passages[begin : begin + AT_ONCE]
            if not self._url:
                self._passages.update({_point_id(passage.id): passage for passage in some})
            self.held.update(await self._off_loop(partial(self._put, some, vectors, space)))

    def _put(self, passages: Sequence[Passage], vectors: Mapping[str, Vector], space: str) -> dict[str, Held]:
        from qdrant_client import models

        points, put = [], dict[str, Held]()
        for passage in passages:
            indices, weights = terms.of_passage(passage.indexed)
            given: dict[str, Any] = {TERMS: models.SparseVector(indices=indices, values=weights)}
            vector = vectors.get(passage.id)
            if vector is not None:
                given[DENSE] = vector.tolist()
            held = put[passage.id] = Held(passage.sha256, "" if vector is None else space)
            payload = {**asdict(passage), "id": passage.id, **asdict(held)} if self._url else None
            points.append(models.PointStruct(id=_point_id(passage.id), vector=given, payload=payload))
        self._opened(self._client).upsert(self._collection, points)
        return put

    async def drop(self, ids: Sequence[str]) -> None:
        """Remove passages."""
        for begin in range(0, len(ids), AT_ONCE):
            some = ids[begin : begin + AT_ONCE]
            points: list[Any] = [_point_id(name) for name in some]
            await self._off_loop(partial(self._opened(self._client).delete, self._collection, points))
            for name, point in zip(some, points, strict=True):
                self.held.pop(name, None)
                self._passages.pop(point, None)

    async def search(self, text: str, vector: Vector | None, mode: Mode, limit: int) -> tuple[list[Hit], Mode]:
        """The best passages, best first, and the means that found them.

        Without a ``vector`` of the index's length only words are compared, whatever the ``mode``.
        """
        if vector is None or len(vector) != self.size:
            vector, mode = None, "lexical"
        if not self.held:
            return [], mode
        client, collection, passages = self._opened(self._searcher), self._collection, self._passages
        points = await asyncio.get_running_loop().run_in_executor(
            self._searches, lambda: self._search(client, collection, text, vector, mode, limit)
        )
        return [Hit(passages.get(str(p.id)) or _passage(p.payload or {}), p.score) for p in points], mode

    def _search(
        self, client: "QdrantClient", collection: str, text: str, vector: Vector | None, mode: Mode, limit: int
    ) -> "list[ScoredPoint]":
        from qdrant_client import models

        # Made without validation: the library looks at each of a vector's numbers and copies them, which takes longer
        # than the search.
        nearest = models.NearestQuery.model_construct
        indices, weights = terms.of_query(text)
        searches: list[tuple[str, Any]] = []
        if mode != "lexical" and vector is not None:
            searches.append((DENSE, nearest(nearest=_Uncopied(vector))))
        if mode != "dense" and indices:
            words = models.SparseVector.model_construct(indices=indices, values=weights)
            searches.append((TERMS, nearest(nearest=words)))
        if not searches:
            return []
        asked: dict[str, Any] = {"limit": limit, "with_payload": self.on_server}
        if len(searches) == 1:
            using, query = searches[0]
            found = client.query_points(collection, query=query, using=using, **asked)
        else:
            found = client.query_points(
                collection,
                prefetch=[
                    models.Prefetch.model_construct(query=query, using=using, limit=limit) for using, query in searches
                ],
                query=models.RrfQuery(rrf=models.Rrf(k=RANK_CONSTANT)),
                **asked,
            )
        return found.points

    @staticmethod
    def _opened(client: "QdrantClient | None") -> "QdrantClient":
        if client is None:
            raise RuntimeError("the index is asked before it is open")
        return client

    async def _off_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def aclose(self) -> None:
        """End the connections; what runs in a thread runs to its end."""
        for threads in (self._threads, self._searches):
            threads.shutdown(wait=False, cancel_futures=True)
        for client in (self._client, self._searcher):
            if client is not None and self._url:
                await asyncio.to_thread(client.close)


class _Uncopied(list[float]):
    """A vector that the library in memory may have as it is."""

    def __deepcopy__(self, memo: object) -> "_Uncopied":
        return self


def _point_id(name: str) -> str:
    """Qdrant takes numbers and UUIDs only."""
    return str(uuid.uuid5(_NAMESPACE, name))


def _passage(payload: Mapping[str, Any]) -> Passage:
    return Passage(payload["source"], payload["anchor"], payload["title"], payload["text"], payload["part"])
