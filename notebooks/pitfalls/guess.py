"""Predict first: what a person says before a run, and how near it came. Read `terminal.py` next: how it is shown."""

import math
import re

NEAR = 1.25
"""Within a quarter, either way, counts as about right."""


def number_in(text: str) -> float | None:
    """The number that was typed; None for nothing. Raises ValueError for what is no number of 0 or more."""
    plain = text.strip().replace(",", "").replace("$", "").replace("%", "").strip()
    if not plain:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)(?:\s*[A-Za-z/]+)?", plain)
    if found is None or not math.isfinite(float(found[1])):
        raise ValueError(f"got {text.strip()!r}; expected a number such as 12 or 0.5")
    return float(found[1])


def nearness(guess: float, came: float) -> str:
    """What came, compared with what was expected, in words."""
    if guess == came:
        return "exactly what you said"
    if not guess or not came:
        return "you expected some" if guess else "you expected none"
    ratio = came / guess
    if 1 / NEAR <= ratio <= NEAR:
        return "about what you said"
    return f"{ratio:.1f} times what you said" if ratio > 1 else f"you said {1 / ratio:.1f} times as much"
