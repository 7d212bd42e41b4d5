"""What was found for an item: a state, a sentence with figures, and how to make it happen. Read `facts.py` next."""

from dataclasses import dataclass
from enum import Enum

from ..look.palette import DARK_GREY, GREEN, GREY, ORANGE, PURPLE


class State(Enum):
    """How an item stands now; what has not happened yet is no fault."""

    SEEN = ("✓", "seen", GREEN)
    NOT_YET = ("○", "not seen yet", GREY)
    OFF = ("–", "off now", PURPLE)
    ATTENTION = ("△", "attention", ORANGE)
    UNKNOWN = ("?", "not known now", DARK_GREY)

    def __init__(self, icon: str, words: str, colour: str) -> None:
        self.icon, self.words, self.colour = icon, words, colour


@dataclass(frozen=True, slots=True)
class Finding:
    """`evidence` and `how` are Markdown; `request_id` is one to look at on the Request page."""

    state: State
    evidence: str
    how: str
    request_id: str | None = None
