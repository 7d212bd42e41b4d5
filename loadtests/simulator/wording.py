"""Words, sentences and how much they matter: the small text tools of the simulated model (DESIGN section 5).

Answers, embeddings and rerank all compare texts by the words they share; this is the one place that says what a word
is. Read `answers.py` next.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?![\s\"')\]”]|$)[^.!?\n]*)*[.!?]*[\"')\]”]*")

# Function words, and the verbs with which people ask: they say nothing about the topic.
_STOP_WORDS = (
    "a about after again all also am an and any are as at be because been before being but by can could did do does "
    "doing done down each else ever every few for from had has have he her here hers him his how i if in into is it "
    "its just let like many may me might more most much must my need no not now of off on once one only or other our "
    "out over own please same say shall she should so some still such tell than that the their them then there these "
    "they this those to too under until up us use very was we were what when where which while who whom whose why "
    "will with without would you your yours explain give know mean think want what's i'm it's"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())

_SUFFIXES = ("ations", "ation", "ings", "ing", "ies", "ers", "ed", "es", "er", "s", "y", "e")


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """Cut a common English ending so that "retries", "retry" and "retrying" meet; at least three letters stay."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def words(text: str) -> list[str]:
    """Return the stems of the words of `text` that carry meaning, in order."""
    return [stem(word) for word in _WORD.findall(text.lower()) if word not in STOP_WORDS]


@lru_cache(maxsize=4096)
def sentences(text: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Cut `text` into sentences, each with the set of its meaningful words; remembered, since contexts come again."""
    found = (match.group().strip(" \t-*•#>") for match in _SENTENCE.finditer(text))
    return tuple((sentence, frozenset(words(sentence))) for sentence in found if sentence)


def rarity(documents: Sequence[Iterable[str]]) -> dict[str, float]:
    """Return the weight of each word (inverse document frequency, always > 0): rare words say more."""
    seen: dict[str, int] = {}
    for document in documents:
        for word in set(document):
            seen[word] = seen.get(word, 0) + 1
    total = len(documents)
    return {word: math.log(1 + total / n) for word, n in seen.items()}
