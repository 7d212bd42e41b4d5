"""What a run found: figures per form, strips over time, and whether the pitfall showed itself. Read `chart.py` next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from notebooks.pitfalls.catalogue import Pitfall

if TYPE_CHECKING:
    import altair


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table: a value per form, None where there is none. `at_least`: forms whose value may be larger,
    since the run ended before the thing did.
    """

    key: str
    words: str
    unit: str
    values: Mapping[str, float | None]
    at_least: frozenset[str] = frozenset()

    def said(self, form: str) -> str:
        """The value in words, with its unit."""
        value = self.values[form]
        return "–" if value is None else f"{'> ' if form in self.at_least else ''}{quantity(value, self.unit)}"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened between two moments (or at one, when they are the same), in seconds."""

    words: str
    from_s: float
    to_s: float
    form: str | None = None


@dataclass(frozen=True, slots=True)
class Strip:
    """A value per form and piece of time, all of the same length; None where there was nothing to tell. `top`: the full
    height, if it is known.
    """

    words: str
    unit: str
    values: Mapping[str, Sequence[float | None]]
    lasts_s: float
    marks: tuple[Mark, ...] = ()
    top: float | None = None

    @property
    def highest(self) -> float:
        """The full height."""
        found = [value for row in self.values.values() for value in row if value is not None]
        return self.top or max([*found, 1e-9])


@dataclass(frozen=True, slots=True)
class Check:
    """One contrast that has to be there for the pitfall to have shown itself, with the numbers in its words."""

    words: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run's own file makes of what it saw; `doubts` say why nothing can be judged."""

    load: str
    figures: tuple[Figure, ...]
    strip: Strip
    checks: tuple[Check, ...]
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Verdict(StrEnum):
    """Whether the pitfall showed itself."""

    SHOWN = "shown"
    NOT_SHOWN = "not shown"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class Result:
    """A pitfall's run. `guess`: what the person expected of `pitfall.asked.guessed`."""

    pitfall: Pitfall
    seed: int
    for_s: float
    findings: Findings
    guess: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Not judged when the run is in doubt, else whether every contrast is there."""
        if self.findings.doubts:
            return Verdict.NOT_JUDGED
        return Verdict.SHOWN if all(check.holds for check in self.findings.checks) else Verdict.NOT_SHOWN

    @property
    def figure(self) -> Figure:
        """The number that gives it away."""
        return next(figure for figure in self.findings.figures if figure.key == self.pitfall.asked.figure)

    @property
    def numbers(self) -> dict[str, dict[str, float | None]]:
        """Figure -> form -> value; units are in the figures' names and in `findings.figures`."""
        return {figure.key: dict(figure.values) for figure in self.findings.figures}

    def chart(self) -> "altair.VConcatChart":
        """The number and the strip, as a chart that stands alone."""
        from notebooks.pitfalls.chart import drawn

        return drawn(self)

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "pitfall": self.pitfall.number,
            "name": self.pitfall.name,
            "title": self.pitfall.title,
            "verdict": str(self.verdict),
            "seed": self.seed,
            "for_s": self.for_s,
            "load": self.findings.load,
            "number": self.pitfall.asked.figure,
            "guess": self.guess,
            "numbers": self.numbers,
            "units": {figure.key: figure.unit for figure in self.findings.figures},
            "at_least": {figure.key: sorted(figure.at_least) for figure in self.findings.figures if figure.at_least},
            "checks": [{"words": check.words, "holds": check.holds} for check in self.findings.checks],
            "doubts": list(self.findings.doubts),
            "notes": list(self.findings.notes),
        }


def quantity(value: float, unit: str) -> str:
    """A value with its unit, with as many digits as say something."""
    if unit == "ms":
        return f"{value:,.0f} ms" if value < 1000 else f"{value / 1000:,.1f} s"
    if unit == "USD":
        return f"${value:,.2f}" if value >= 0.1 or value == 0 else f"${value:,.4f}"
    digits = 0 if value == round(value) or abs(value) >= 100 else 1 if abs(value) >= 1 else 2
    said = f"{value:,.{digits}f}"
    return f"{said}{f' {unit}' if unit else ''}"
