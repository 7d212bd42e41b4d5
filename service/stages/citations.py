"""Which of its sources an answer cites: the ``[n]`` that a model was asked to put, and that only sources have.

A number that the model invented cites nothing, and neither does one in code. Next: ``../retrieval/prompt.py``, which
numbers them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_CITED = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")


@dataclass(slots=True, frozen=True)
class Citation:
    """A passage that the model was given: its number in the prompt, its headings, its document and its section."""

    n: int
    title: str
    source: str
    anchor: str


def cited(text: str, sources: Sequence[Citation] | None) -> tuple[Citation, ...]:
    """The sources that an answer cites, by number."""
    if not sources:
        return ()
    named = {int(number) for group in _CITED.findall(_CODE.sub("", text)) for number in group.split(",")}
    return tuple(source for source in sources if source.n in named)
