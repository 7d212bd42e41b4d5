"""A lease on work that any worker could do and one should: it names its owner, and a dead one's is taken over.

It holds while the owner's worker lives (``liveness.py``), and ends by itself should nobody ever give it back.
Next: ``../retrieval/corpus.py``.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .guard import Store
from .liveness import Liveness
from .script import Script

MOST_MS = 60_000


class Lease:
    """On what ``key`` names."""

    def __init__(self, store: Store, liveness: Liveness, key: str) -> None:
        self._store = store
        self._liveness = liveness
        self._key = key
        self._hand_over = Script(store, __package__, "lease")

    @asynccontextmanager
    async def held(self) -> AsyncIterator[bool]:
        """Whether it is ours while the block runs. Raises StoreUnavailable."""
        worker = self._liveness.worker
        owner = (await self._store.execute("GET", self._key) or b"").decode()
        is_free = owner in ("", worker) or not await self._liveness.lives(owner)
        is_ours = is_free and bool(await self._hand_over((self._key,), owner, worker, MOST_MS))
        try:
            yield is_ours
        finally:
            if is_ours:
                await self._hand_over((self._key,), worker, "", MOST_MS)
