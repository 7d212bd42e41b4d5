"""A guess before the run: what one expected, beside what came. Read `00_tour.py` to see it used.

A prediction that can be wrong is what one learns from. It is a cell to edit and not a question that waits for an
answer, so that a notebook also runs from its beginning to its end by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

CLOSE = 0.2
"""A number within a fifth of the truth counts as right."""


@dataclass(frozen=True)
class Guess:
    """What was asked, and what the reader thinks."""

    question: str
    guess: object

    def check(self, actual: object, unit: str = "") -> None:
        """Print the guess beside what was measured."""
        unit = f" {unit}" if unit else ""
        word = "and so it was" if self.is_right(actual) else "but it was not so"
        print(
            f"{self.question}\n  your guess  {_shown(self.guess)}{unit}\n  measured    {_shown(actual)}{unit}   {word}"
        )

    def is_right(self, actual: object) -> bool:
        """Equal, or as a number within a fifth."""
        guess, true = _number(self.guess), _number(actual)
        if guess is None or true is None:
            return self.guess == actual
        return abs(guess - true) <= CLOSE * abs(true)

    def __repr__(self) -> str:
        return f"{self.question}  ->  {_shown(self.guess)}"


def predict(question: str, guess: object) -> Guess:
    """A question with the reader's guess: `calls = predict("how many calls reach the provider?", guess=100)`."""
    return Guess(question, guess)


def _number(value: object) -> float | None:
    """Also those of numpy, and not True or False."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None


def _shown(value: object) -> str:
    number = _number(value)
    if number is None:
        return str(value)
    return f"{number:,.0f}" if number == round(number) else f"{number:,.4g}"
