"""How well a document answers a query: what a reranker, which reads both together, knows better (DESIGN section 5).

Each word of the query is looked for in the document: itself, a word that is written nearly alike (typing errors,
endings), or one that means the same. Rare words weigh more, and a sentence that has many of them together counts as
much as the whole; what both texts are about counts too.
Read `retrieval.py` next: it serves this.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import lru_cache

from .concepts import concepts
from .vectors import similarity
from .wording import sentences, words

_ALIKE = 0.5
"""From this share of common letter groups on, two words are taken for spellings of one."""
_SAME_MEANING = 0.5
"""What a word that means the same is worth, of the word itself."""
_SENTENCE_SHARE = 0.5
"""The weight of the best sentence beside the whole document."""
_TOPIC_SHARE = 0.4
"""The weight of how alike query and document are in all, beside the query's own words."""
_GROUP = 3


def relevance(query: str, documents: Sequence[str]) -> list[float]:
    """Return how well each document fits `query`, 0 to 1."""
    asked = list(dict.fromkeys(words(query)))
    # By document, sentence and word of the query.
    found = [list(zip(*(_in_sentences(word, text) for word in asked), strict=True)) for text in documents]
    whole = [[max(column) for column in zip(*rows, strict=True)] for rows in found]
    weights = [math.log(1 + len(documents) / (0.5 + sum(row[i] for row in whole if row))) for i in range(len(asked))]
    total = sum(weights) or 1.0
    scores = []
    for document, rows, best in zip(documents, found, whole, strict=True):
        in_one = max((_covered(said, weights) for said in rows), default=0.0)
        covered = ((1 - _SENTENCE_SHARE) * _covered(best, weights) + _SENTENCE_SHARE * in_one) / total
        scores.append((1 - _TOPIC_SHARE) * covered + _TOPIC_SHARE * similarity(query, document))
    return scores


def _covered(row: Sequence[float], weights: Sequence[float]) -> float:
    return sum(found * weight for found, weight in zip(row, weights, strict=True))


@lru_cache(maxsize=65_536)
def _in_sentences(word: str, document: str) -> tuple[float, ...]:
    """How near each sentence of a document comes to a word: 1 for the word itself."""
    return tuple(_nearest(word, have) for _, have in sentences(document)) or (0.0,)


def _nearest(word: str, have: Collection[str]) -> float:
    """Of numbers and names with digits only the same one will do."""
    if word in have or not word.isalpha():
        return float(word in have)
    return max((_nearness(word, other) for other in have), default=0.0)


@lru_cache(maxsize=262_144)
def _nearness(word: str, other: str) -> float:
    a, b = _groups(word), _groups(other)
    alike = 2 * len(a & b) / (len(a) + len(b))
    near = alike if alike >= _ALIKE else 0.0
    return max(near, _SAME_MEANING) if concepts(word) & concepts(other) else near


@lru_cache(maxsize=16_384)
def _groups(word: str) -> frozenset[str]:
    """Groups of three letters, with marks for the word's ends."""
    marked = f"^{word}$"
    return frozenset(marked[i : i + _GROUP] for i in range(len(marked) - _GROUP + 1))
