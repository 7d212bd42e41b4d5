"""One run as a report tells it, and what somebody predicted of it. Read `report.py` next: the page.

Everything in it is data: names, labels and words are escaped wherever they are written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadtests.scenario.model import Expectation, Scenario
from loadtests.verdict.evidence import Evidence
from loadtests.verdict.judge import Verdict
from loadtests.verdict.measures import MEASURES
from loadtests.verdict.scope import scope_of

REASON = "a figure that somebody predicted, or that a table has"


@dataclass(frozen=True, slots=True)
class Told:
    """A run: `label` tells it from others, `command` repeats it, `facts` are versions and ids by name, in their order.

    `scenario` is the one that ran (shortened, louder), `verdict` None where nobody judged.
    """

    label: str
    scenario: Scenario
    seed: int
    evidence: Evidence
    verdict: Verdict | None = None
    command: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Predicted:
    """A figure that was predicted, in the measure's unit (shares from 0 to 1); `words` are the question, if any."""

    measure: str
    value: float
    during: tuple[str, ...] = ()
    target: str | None = None
    words: str = ""

    @property
    def unit(self) -> str:
        """That of its measure."""
        return MEASURES[self.measure].unit

    def measured(self, evidence: Evidence) -> float | None:
        """What the run gave, by the same measure; None where there is nothing to measure."""
        return figure(evidence, self.measure, during=self.during, target=self.target)


def figure(
    evidence: Evidence, measure: str, *, during: tuple[str, ...] = (), target: str | None = None
) -> float | None:
    """A measure of a run or of some of its phases, as an expectation would read it; None: nothing to measure."""
    how = MEASURES[measure]
    if how.from_ledger and not evidence.has_ledger:
        return None
    asked = {"measure": measure, "during": during, "target": target, "at_least": 0.0, "why": REASON}
    return how.read(scope_of(evidence, Expectation.model_validate(asked)))
