"""The index: what of the corpus is near a question, by words, by vectors, or by both.

Qdrant keeps both kinds of vectors and fuses the two rankings itself (reciprocal rank fusion), in the memory of each
worker or on a server, with the same calls. In memory it is Python that would hold up the event loop, so it runs in a
thread, one search at a time; calls to a server run side by side. The library takes two seconds to import, so nobody
does who does not search. Next: ``corpus.py``.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import terms
from .embeddings import Vector
from .passages import Passage

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

T = TypeVar("T")
Mode = Literal["lexical", "dense", "hybrid"]
DENSE, TERMS = "dense", "terms"
RANK_CONSTANT = 60
"""Of reciprocal rank fusion: Cormack, Clarke and Büttcher (SIGIR 2009)."""
AT_ONCE = 128
"""Points in one call."""
SERVER_THREADS = 16
SERVER_TIMEOUT_S = 5
"""For a call to a server that somebody waits for; a search has the layer's own, shorter deadline beside it."""
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
    """One worker's. All methods but ``size`` leave the event loop free; ``open`` comes first."""

    def __init__(self, url: str | None, api_key: str | None, collection: str) -> None:
        self._url = url
        self._api_key = api_key
        self._collection = collection
        threads = SERVER_THREADS if url else 1
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="index")
        self._client: QdrantClient | None = None
        self._size = 0
        self.held: dict[str, Held] = {}
        """By the passage's id."""

    @property
    def opened(self) -> bool:
        """Whether there is something to search in."""
        return self._client is not None

    async def open(self, space: str) -> None:
        """Import the library and read what a server has already; vectors of another space are dropped with the rest.

        Raises what the library does when the server is away.
        """
        await self._off_loop(lambda: self._open(space))

    def _open(self, space: str) -> None:
        from qdrant_client import QdrantClient

        if self._url:
            client = QdrantClient(url=self._url, api_key=self._api_key, timeout=SERVER_TIMEOUT_S)
        else:
            client = QdrantClient(":memory:")
        if client.collection_exists(self._collection):
            self.held = self._all_held(client)
            dense = client.get_collection(self._collection).config.params.vectors
            self._size = dense[DENSE].size if isinstance(dense, dict) and DENSE in dense else 0
            if any(held.space not in ("", space) for held in self.held.values()):
                client.delete_collection(self._collection)
                self.held = {}
        self._client = client

    def _all_held(self, client: "QdrantClient") -> dict[str, Held]:
        held: dict[str, Held] = {}
        place: Any = None
        while True:
            rows, place = client.scroll(
                self._collection, limit=AT_ONCE, offset=place, with_payload=["id", "sha256", "space"]
            )
            for row in rows:
                payload = row.payload or {}
                held[payload["id"]] = Held(payload["sha256"], payload["space"])
            if place is None:
                return held

    async def put(self, passages: Iterable[Passage], vectors: Mapping[str, Vector], space: str) -> None:
        """Add or replace passages, each with its vector of this space where ``vectors`` has one for its id."""
        await self._off_loop(lambda: self._put(list(passages), vectors, space))

    def _put(self, passages: Sequence[Passage], vectors: Mapping[str, Vector], space: str) -> None:
        from qdrant_client import models

        size = len(next(iter(vectors.values()))) if vectors else 0
        client = self._collection_for(size)
        for begin in range(0, len(passages), AT_ONCE):
            points = []
            for passage in passages[begin : begin + AT_ONCE]:
                indices, weights = terms.of_passage(passage.indexed)
                given: dict[str, Any] = {TERMS: models.SparseVector(indices=indices, values=weights)}
                vector = vectors.get(passage.id)
                if vector is not None and len(vector) == self._size:
                    given[DENSE] = vector.tolist()
                held = Held(passage.sha256, space if DENSE in given else "")
                payload = {**asdict(passage), "id": passage.id, "sha256": held.sha256, "space": held.space}
                points.append(models.PointStruct(id=_point_id(passage.id), vector=given, payload=payload))
                self.held[passage.id] = held
            client.upsert(self._collection, points)

    def _collection_for(self, size: int) -> "QdrantClient":
        """The client, with a collection for vectors of ``size`` numbers: one of another size is made anew.

        The size is known with the first vector; until then the collection has one that no vector has.
        """
        from qdrant_client import models

        client = self._opened()
        exists = client.collection_exists(self._collection)
        if exists and (not size or size == self._size):
            return client
        if exists:
            client.delete_collection(self._collection)
            self.held.clear()
        self._size = size or self._size or 1
        client.create_collection(
            self._collection,
            vectors_config={DENSE: models.VectorParams(size=self._size, distance=models.Distance.COSINE)},
            sparse_vectors_config={TERMS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        )
        return client

    async def drop(self, ids: Iterable[str]) -> None:
        """Remove passages."""
        await self._off_loop(lambda: self._drop(list(ids)))

    def _drop(self, ids: Sequence[str]) -> None:
        client = self._opened()
        for begin in range(0, len(ids), AT_ONCE):
            client.delete(self._collection, [_point_id(name) for name in ids[begin : begin + AT_ONCE]])
        for name in ids:
            self.held.pop(name, None)

    async def search(self, text: str, vector: Vector | None, mode: Mode, limit: int) -> list[Hit]:
        """The best passages, best first. Without a ``vector`` only words are compared, whatever the ``mode``."""
        return await self._off_loop(lambda: self._search(text, vector, mode, limit))

    def _search(self, text: str, vector: Vector | None, mode: Mode, limit: int) -> list[Hit]:
        from qdrant_client import models

        indices, weights = terms.of_query(text)
        searches: list[tuple[str, Any]] = []
        if mode != "lexical" and vector is not None and len(vector) == self._size:
            searches.append((DENSE, vector.tolist()))
        if indices and (mode != "dense" or not searches):
            searches.append((TERMS, models.SparseVector(indices=indices, values=weights)))
        client = self._opened()
        if not searches or not self.held:
            return []
        if len(searches) == 1:
            using, query = searches[0]
            found = client.query_points(self._collection, query=query, using=using, limit=limit, with_payload=True)
        else:
            found = client.query_points(
                self._collection,
                prefetch=[models.Prefetch(query=query, using=using, limit=limit) for using, query in searches],
                query=models.RrfQuery(rrf=models.Rrf(k=RANK_CONSTANT)),
                limit=limit,
                with_payload=True,
            )
        return [Hit(_passage(point.payload or {}), point.score) for point in found.points]

    def _opened(self) -> "QdrantClient":
        if self._client is None:
            raise RuntimeError("the index is asked before it is open")
        return self._client

    async def _off_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def aclose(self) -> None:
        """End the connections; what runs in a thread runs to its end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None and self._url:
            await asyncio.to_thread(self._client.close)


def _point_id(name: str) -> str:
    """Qdrant takes numbers and UUIDs only."""
    return str(uuid.uuid5(_NAMESPACE, name))


def _passage(payload: Mapping[str, Any]) -> Passage:
    return Passage(payload["source"], payload["anchor"], payload["title"], payload["text"], payload["part"])
