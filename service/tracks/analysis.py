"""A long document, summarised by many short calls: split, map, reduce. Pure functions; ``job_runs.py`` makes the calls.

The document is split where its paragraphs end, into parts that a model reads in one go; each part is summarised on its
own (map), then the summaries of ten parts at a time, and of those again, until one is left (reduce). Each of these
calls is a step with a name of its own, so that a step that is done is never paid again. Next: ``job_runs.py``.
"""

import re
from collections import Counter

from ..stages.call import CHARACTERS_PER_TOKEN

FAN_IN = 10
"""Summaries that one call of the reduce takes in."""
FOCUS_WORDS = 6
"""The words that come up most are named in the question, so that a small model, too, stays with the matter."""
_SHORTLY = "Only from the text above, with its names and numbers, and in at most three sentences"
_WORD = re.compile(r"[^\W\d_]{5,}")
_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def split(text: str, *, part_tokens: int, most_parts: int) -> list[str]:
    """Parts of at most about ``part_tokens`` tokens, or larger ones where there would be more than ``most_parts``.

    They end where a paragraph does; else where a sentence does; else where the space is used up.
    """
    most = max(part_tokens * CHARACTERS_PER_TOKEN, -(-len(text) // most_parts))
    while len(parts := _packed(text, most)) > most_parts:
        most += most // 4 + 1  # whole paragraphs leave room at the ends of parts
    return parts


def _packed(text: str, most: int) -> list[str]:
    parts: list[list[str]] = []
    length = 0
    for piece, gap in _pieces(text, most):
        if parts and length + len(gap) + len(piece) <= most:
            parts[-1] += gap, piece
            length += len(gap) + len(piece)
        else:
            parts.append([piece])
            length = len(piece)
    return ["".join(part) for part in parts]


def _pieces(text: str, most: int) -> list[tuple[str, str]]:
    """What is never split further, and what it is joined with to what stands before it."""
    pieces: list[tuple[str, str]] = []
    for paragraph in filter(None, (found.strip() for found in _PARAGRAPH.split(text))):
        if len(paragraph) <= most:
            pieces.append((paragraph, "\n\n"))
            continue
        gap = "\n\n"
        for sentence in _SENTENCE.split(paragraph):
            for begin in range(0, len(sentence), most):
                pieces.append((sentence[begin : begin + most], gap if begin == 0 else ""))
                gap = " "
    return pieces


def steps_of(parts: int) -> int:
    """How many calls it takes in all."""
    total = parts
    while parts > 1:
        parts = -(-parts // FAN_IN)
        total += parts
    return total


def of_parts(text: str, part_tokens: int, most_parts: int) -> list[str]:
    """What is asked of each part of a document; takes seconds for one of many short lines."""
    parts = split(text, part_tokens=part_tokens, most_parts=most_parts)
    return [of_part(part, number, len(parts)) for number, part in enumerate(parts, 1)]


def of_part(part: str, number: int, parts: int) -> str:
    """What is asked of one part."""
    return f"{part}\n\n{_SHORTLY}: what does this say ({number}/{parts}) about {_focus(part)}?"


def of_summaries(summaries: list[str]) -> str:
    """What is asked of some summaries."""
    joined = "\n\n".join(summaries)
    return f"{joined}\n\n{_SHORTLY}: what do these, taken together, say about {_focus(joined)}?"


def grouped(texts: list[str]) -> list[list[str]]:
    """By ten."""
    return [texts[begin : begin + FAN_IN] for begin in range(0, len(texts), FAN_IN)]


def _focus(text: str) -> str:
    counted = Counter(_WORD.findall(text.lower()))
    return ", ".join(word for word, _ in counted.most_common(FOCUS_WORDS)) or "its matter"
