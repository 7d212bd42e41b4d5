"""What the player said and did, with the time of each: Unix seconds. Read `commands.py` next: from a line to a move."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Move:
    """`what` happened at `t`; `words` is the line that was typed."""

    t: float
    what: Literal["alarm", "diagnose", "act", "end"]
    words: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Which provider, which kind, and when it began in the player's view; None: he did not say."""

    t: float
    provider: str
    kind: str
    began: float | None = None


@dataclass(slots=True)
class Moves:
    """All of a drill, in order of time."""

    made: list[Move] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)

    def add(self, t: float, what: Literal["alarm", "diagnose", "act", "end"], words: str) -> None:
        """One more."""
        self.made.append(Move(t, what, words))

    def times(self, *what: str) -> Sequence[float]:
        """When such moves were made."""
        return [move.t for move in self.made if move.what in what]
