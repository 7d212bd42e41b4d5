"""Embeddings without a model: hashed words, letter groups and concepts, normalised (DESIGN section 5).

Texts that share words, parts of words or what words mean get vectors that point the same way, which is what a
retrieval layer needs to be exercised. Read `relevance.py` next: what compares two texts more closely.
"""

from __future__ import annotations

import math
from functools import lru_cache
from zlib import crc32

from .concepts import concepts
from .wording import words

_WORD_WEIGHT = 1.0
_GROUP_WEIGHT = 0.4
_CONCEPT_WEIGHT = 0.6
_GROUP = 3


@lru_cache(maxsize=8192)
def features(text: str) -> tuple[tuple[int, float], ...]:
    """Return the hashed features of `text` as (hash, weight): words, groups of three letters, concepts."""
    found: dict[int, float] = {}
    for word in words(text):
        key = crc32(word.encode())
        found[key] = found.get(key, 0.0) + _WORD_WEIGHT
        for i in range(len(word) - _GROUP + 1):
            key = crc32(b"~" + word[i : i + _GROUP].encode())
            found[key] = found.get(key, 0.0) + _GROUP_WEIGHT
        for concept in concepts(word):
            key = crc32(b"@%d" % concept)
            found[key] = found.get(key, 0.0) + _CONCEPT_WEIGHT
    return tuple(found.items())


def embed(text: str, dimensions: int) -> list[float]:
    """Return the unit vector of `text`; a text without words gets the first axis."""
    vector = [0.0] * dimensions
    for key, weight in features(text):
        # A signed hash lets collisions cancel instead of adding up.
        vector[key % dimensions] += math.sqrt(weight) if key & 0x80000000 else -math.sqrt(weight)
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0.0:
        return [1.0] + [0.0] * (dimensions - 1)
    return [value / length for value in vector]


def similarity(left: str, right: str) -> float:
    """Return the cosine of the features of two texts, 0 to 1; quickest with the shorter one on the left."""
    a, b = _weighed(left), _weighed(right)
    return sum(weight * b.get(key, 0.0) for key, weight in a.items())


@lru_cache(maxsize=8192)
def _weighed(text: str) -> dict[int, float]:
    """The features of `text`, as a vector of length 1; empty for a text without words."""
    found = features(text)
    length = math.sqrt(sum(weight * weight for _, weight in found))
    return {key: weight / length for key, weight in found}
