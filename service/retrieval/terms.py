"""From text to the sparse vector of BM25: what the lexical half of the search compares.

Words are cut to their stems, so that "retries" finds "retrying"; names such as ``X-Request-ID`` count as a whole and in
their parts. A term's number is a hash of it, so no dictionary has to be shared, and Qdrant weighs it by how rare it is
(``Modifier.IDF``). We make the vectors ourselves, since the library's own maker downloads a model file. Robertson and
Zaragoza, The Probabilistic Relevance Framework (2009). Next: ``index.py``.
"""

import re
from functools import lru_cache
from zlib import crc32

K1, B = 1.2, 0.75
"""BM25's saturation of repeated words and its penalty for long texts: Lucene's defaults."""
AVERAGE_TERMS = 60
"""In a passage. A constant, so that a passage's vector does not change with its neighbours and can stay as it is."""

_WORD = re.compile(r"[^\W_]+(?:[-_.'’/][^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
_FUNCTION_WORDS = (
    "a about after again all also am an and any are as at be because been before being but by can could did do "
    "does doing done each else ever every few for from had has have he her here his how i if in into is it its "
    "just let like many may me might more most much must my need no not now of off on one only or other our out "
    "over own same say she should so some still such than that the their them then there these they this those to "
    "too under until up us very was we were what when where which while who whom whose why will with without "
    "would you your explain tell give know mean think want s t re ve ll d m"
)
_STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Function words, and the verbs that people ask with: they say nothing about the topic."""
_SUFFIXES = (
    "izations", "ization", "ations", "ation", "nesses", "ness", "ments", "ment", "ingly", "edly", "ings", "ing", "ions",
    "ion", "ies", "ied", "ers", "er", "ors", "or", "ed", "es", "ly", "al", "s", "y", "e",
)  # fmt: skip


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """Cut common English endings, the longest first; at least three letters stay, and a doubled last one is single."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not (suffix == "s" and word.endswith("ss")):
            word = word[: -len(suffix)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiou0123456789" else word


def terms_of(text: str) -> list[str]:
    """The terms of ``text``, in order: stems, and compound names whole as well as in parts."""
    terms: list[str] = []
    for word in _WORD.findall(text.lower()):
        parts = _PART.findall(word)
        if len(parts) > 1:
            terms.append(word)
        terms += [stem(part) for part in parts if part not in _STOP_WORDS]
    return terms


Sparse = tuple[list[int], list[float]]
"""Numbers of terms, ascending, and the weight of each."""


def of_passage(text: str) -> Sparse:
    """BM25's weights of a passage's terms, without their rarity, which Qdrant knows."""
    counts = _counted(text)
    longer = 1 - B + B * sum(counts.values()) / AVERAGE_TERMS
    return list(counts), [n * (K1 + 1) / (n + K1 * longer) for n in counts.values()]


def of_query(text: str) -> Sparse:
    """A question's terms, each once."""
    counts = _counted(text)
    return list(counts), [1.0] * len(counts)


def _counted(text: str) -> dict[int, int]:
    counts: dict[int, int] = {}
    for term in terms_of(text):
        number = crc32(term.encode())
        counts[number] = counts.get(number, 0) + 1
    return dict(sorted(counts.items()))
