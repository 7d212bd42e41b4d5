"""What an item comes to: PROVED, REFUTED or UNOBSERVABLE, each made of claims with their evidence.

An item is refuted by one claim, and proved only when all of its claims are: what could not be seen is no proof
(docs/adr/0020). Read `shape.py` next: what the audit must know of a service.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """Of a claim, and of an item."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNOBSERVABLE = "unobservable"


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that was tried; `needs` says what would make it observable, where it was not."""

    verdict: Verdict
    words: str
    needs: str = ""


@dataclass(slots=True)
class Case:
    """The claims of one item, as its probe finds them."""

    claims: list[Claim] = field(default_factory=list)

    def proved(self, words: str) -> None:
        """It was seen to hold."""
        self.claims.append(Claim(Verdict.PROVED, words))

    def refuted(self, words: str) -> None:
        """It was seen not to hold."""
        self.claims.append(Claim(Verdict.REFUTED, words))

    def unobservable(self, words: str, needs: str) -> None:
        """It could not be seen; `needs` is a flag, or a line of audit.toml."""
        self.claims.append(Claim(Verdict.UNOBSERVABLE, words, needs))

    def judge(self, held: bool, words: str) -> None:
        """Proved where it held, else refuted."""
        (self.proved if held else self.refuted)(words)

    @property
    def verdict(self) -> Verdict:
        """Of all claims together; a case without any has shown nothing."""
        return verdict_of(self.claims)


def many(count: int, one: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{count} {one}{'s' * (count != 1)}"


def verdict_of(claims: Sequence[Claim]) -> Verdict:
    """One refuted claim refutes; one that could not be observed keeps the rest from being a proof."""
    found = {claim.verdict for claim in claims}
    for worst in (Verdict.REFUTED, Verdict.UNOBSERVABLE):
        if worst in found:
            return worst
    return Verdict.PROVED if claims else Verdict.UNOBSERVABLE
