"""How well a document answers a query: what a reranker, which reads both together, knows better (DESIGN section 5).

Each word of the query is looked for in the document: itself, a word that is written nearly alike (typing errors,
endings), or one that means the same. Rare words weigh more, and so does a sentence that has many of them together.
Read `retrieval.py` next: it serves this.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import lru_cache

from .concepts import concepts
from .wording import sentences, words

_ALIKE = 0.5
"""From this share of common letter groups on, two words are taken for spellings of one."""
_SAME_MEANING = 0.5
"""What a word that means the same is worth, of the word itself."""
_SENTENCE_SHARE = 0.3
"""The weight of the best sentence beside the whole document."""
_GROUP = 3


def relevance(query: str, documents: Sequence[str]) -> list[float]:
    """Return how well each document fits `query`, 0 to 1."""
    asked = list(dict.fromkeys(words(query)))
    found = [[_best(word, document) for word in asked] for document in documents]
    weights = [math.log(1 + len(documents) / (0.5 + sum(row[i] for row in found))) for i in range(len(asked))]
    total = sum(weights) or 1.0
    scores = []
    for document, row in zip(documents, found, strict=True):
        whole = _covered(row, weights)
        in_one = max((_covered(said, weights) for said in _by_sentence(asked, document)), default=0.0)
        scores.append(((1 - _SENTENCE_SHARE) * whole + _SENTENCE_SHARE * in_one) / total)
    return scores


def _covered(row: Sequence[float], weights: Sequence[float]) -> float:
    return sum(found * weight for found, weight in zip(row, weights, strict=True))


def _by_sentence(asked: Sequence[str], document: str) -> list[list[float]]:
    return [[_nearest(word, have) for word in asked] for _, have in sentences(document)]


@lru_cache(maxsize=65_536)
def _best(word: str, document: str) -> float:
    return _nearest(word, _words_of(document))


@lru_cache(maxsize=4096)
def _words_of(document: str) -> frozenset[str]:
    return frozenset(words(document))


def _nearest(word: str, have: Collection[str]) -> float:
    """How near the nearest word of a text comes to `word`: 1 for the word itself."""
    return 1.0 if word in have else max((_nearness(word, other) for other in have), default=0.0)


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
