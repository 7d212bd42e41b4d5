"""Vectors that were paid for once: the vector of a text depends on nothing but the text and what embeds it.

One MGET per request and one write after it. A store that is away is no cache, and no error. Next: ``rerank.py``.
"""

import asyncio
import hashlib
from array import array
from collections.abc import Mapping, Sequence

from ..errors import StoreUnavailable
from ..store.guard import Store
from ..store.settle import Settle
from .embeddings import Vector


class EmbeddingCache:
    """In Redis; ``space`` is that of the vectors (``embeddings.py``), so those of another are never found."""

    def __init__(self, space: str, *, keep_s: float, store: Store, settle: Settle) -> None:
        self._space = space
        self._keep_s = round(keep_s)
        self._store = store
        self._settle = settle
        self.hits = self.misses = 0

    def _key(self, text: str) -> str:
        # One hash slot for a space, so that one MGET may ask for many.
        return f"embedding:{{{self._space}}}:{hashlib.sha256(text.encode()).hexdigest()}"

    async def read(self, texts: Sequence[str]) -> dict[str, Vector]:
        """The known vectors by normalised text."""
        try:
            found = await self._store.execute("MGET", *map(self._key, texts))
        except StoreUnavailable:
            found = [None] * len(texts)
        known = {text: vector for text, data in zip(texts, found, strict=True) if (vector := unpacked(data))}
        self.hits += len(known)
        self.misses += len(texts) - len(known)
        return known

    def keep(self, vectors: Mapping[str, Vector]) -> None:
        """Store these by normalised text; the request does not wait for it."""
        if vectors and not self._store.away:
            self._settle.post(self._keep(vectors), "embeddings")

    async def _keep(self, vectors: Mapping[str, Vector]) -> None:
        # Commands of one turn of the loop leave in one write (store/connection.py).
        await asyncio.gather(
            *(
                self._store.execute("SET", self._key(text), vector.tobytes(), "EX", self._keep_s)
                for text, vector in vectors.items()
            )
        )


def unpacked(data: bytes | None) -> Vector | None:
    """The vector in these bytes; None for none, and for what is no vector."""
    if not data or len(data) % array("f").itemsize:
        return None
    return array("f", data)
