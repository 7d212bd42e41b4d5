"""From a prompt to the tokens of its answer: what both chat formats share (DESIGN section 5).

Read `exchange.py` next: it has the answer sent.
"""

from __future__ import annotations

from . import tokens
from .answers import answer
from .call import Ask


def prompt_tokens(system: str, turns: list[tuple[str, str]]) -> int:
    """Return the input tokens of a prompt: its texts, and the overhead of each message."""
    total = tokens.count(system) + tokens.MESSAGE_OVERHEAD_TOKENS if system else 0
    return total + sum(tokens.count(text) + tokens.MESSAGE_OVERHEAD_TOKENS for _, text in turns)


def generate(ask: Ask, seed: int) -> tuple[list[str], bool]:
    """Return the tokens of the answer and whether `max_tokens` cut it; `seed` stands in where the request has none."""
    text = answer(ask.system, ask.turns, ask.temperature, seed if ask.seed is None else ask.seed)
    pieces = tokens.split(text)
    if ask.max_tokens is not None and len(pieces) > ask.max_tokens:
        return pieces[: ask.max_tokens], True
    return pieces, False
