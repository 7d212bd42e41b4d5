"""Vectors of passages, from a server that may refuse some of them, and behind which two models may stand.

A batch that is refused is halved, down to the text that is meant: one refused text stops no other. Next: ``corpus.py``.
"""

from collections import deque
from collections.abc import Sequence

import structlog

from ..errors import BadAnswer, ProviderError
from ..settings import EMBEDDINGS
from ..stages.ask import Ask
from .embeddings import Embeddings, Vector, normalised, refuses_texts
from .passages import Passage

log = structlog.get_logger(__name__)
EMBED_TIMEOUT_S = 10.0
"""For one batch of passages; nobody waits for an answer behind it."""
MOST_LENGTHS = 3
"""Changes of the length of vectors that one worker follows within ``LENGTHS_S``: one is a new model, many are two."""
LENGTHS_S = 60.0


class PassageVectors:
    """One worker's; what it was refused it remembers as long as it lives."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings
        self._refused: dict[str, str] = {}
        self.length = 0
        """Numbers in a vector, as they came last; 0 before any has come."""
        self.changes_at_s: deque[float] = deque(maxlen=MOST_LENGTHS)
        """When that length changed of late."""

    def refuses(self, name: str, sha256: str) -> bool:
        """Whether the server did not take this text, even alone."""
        return self._refused.get(name) == sha256

    async def of(self, ask: Ask, passages: Sequence[Passage], known: int) -> dict[str, Vector]:
        """Vectors by passage, of at most a batch; none for a text that is refused, which is not asked for again.

        ``known`` is the length of the vectors that the store has, 0 for none. Raises ProviderError, also where all are
        refused by a server of which no vector is known: then it is not the texts that are wrong.
        """
        asked = [passage for passage in passages if not self.refuses(passage.id, passage.sha256)]
        refused: dict[str, ProviderError] = {}
        vectors = await self._halved(ask, asked, known, refused)
        if not refused:
            return vectors
        error = next(iter(refused.values()))
        if not vectors and not known and len(asked) > 1:
            raise error
        self._refused |= {passage.id: passage.sha256 for passage in asked if passage.id in refused}
        log.error("passages_refused", passages=sorted(refused), error=error.message)
        return vectors

    async def _halved(
        self, ask: Ask, passages: Sequence[Passage], known: int, refused: dict[str, ProviderError]
    ) -> dict[str, Vector]:
        """As many at once as the server takes; those that it does not take alone are put into ``refused``."""
        if not passages:
            return {}
        texts = [normalised(passage.indexed) for passage in passages]
        try:
            vectors = await self._embeddings.of(ask, texts, ask.deadline_s, timeout_s=EMBED_TIMEOUT_S)
        except ProviderError as error:
            if not refuses_texts(error):
                raise
            if len(passages) == 1:
                refused[passages[0].id] = error
                return {}
        else:
            self._check_length(ask, len(vectors[0]), known)
            return {passage.id: vector for passage, vector in zip(passages, vectors, strict=True)}
        half = len(passages) // 2
        first = await self._halved(ask, passages[:half], known, refused)
        return first | await self._halved(ask, passages[half:], known, refused)

    def _check_length(self, ask: Ask, length: int, known: int) -> None:
        """Raises BadAnswer where the length changes to and fro: every change makes the vectors of all passages anew."""
        before = self.length or known or length
        if length != before:
            now, changes = ask.clock.monotonic(), self.changes_at_s
            if len(changes) == MOST_LENGTHS and now - changes[0] < LENGTHS_S:
                log.error("lengths_of_vectors_alternate", length=length, kept=before, changes=MOST_LENGTHS)
                raise BadAnswer(
                    f"{EMBEDDINGS} gives vectors of {length} and of {before} numbers in turn; let one model answer",
                    provider=EMBEDDINGS,
                    upstream_status=200,
                )
            changes.append(now)
        self.length = length
