"""Predict, then run: which figures somebody is asked for before a scenario, and how near the guess came.

Who predicts first notices what surprises him. Read `loadtests/verdict/told.py` for what a prediction is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.ablation.worth import target_of
from loadtests.scenario.model import LLM_TARGETS, Scenario
from loadtests.verdict.evidence import Evidence
from loadtests.verdict.judge import amount
from loadtests.verdict.told import Predicted

PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class Question:
    """One figure: `name` is what `--guess` calls it, `most` the largest sensible answer, in `unit`."""

    name: str
    words: str
    measure: str
    unit: str
    most: float
    during: tuple[str, ...] = ()
    target: str | None = None

    def predicted(self, value: float) -> Predicted:
        """The answer as a prediction. Raises ValueError outside of what can be."""
        if not (math.isfinite(value) and 0 <= value <= self.most):
            raise ValueError(f"{self.name}: got {value:g}; expected a number from 0 to {self.most:g} ({self.unit})")
        scaled = value / PERCENT if self.unit == "%" else value
        return Predicted(self.measure, scaled, self.during, self.target, self.words)


def questions(scenario: Scenario) -> list[Question]:
    """What to ask about this scenario: success and latency, what reaches the provider that breaks, and the money."""
    target = target_of(scenario)
    broken = tuple(phase.name for phase in scenario.phase if any(fault.target == target for fault in phase.fault))
    asked = [
        Question("success", "How many of the requests get a whole answer?", "success_share", "%", 100),
        Question("p99", "How long does the slowest one of a hundred wait?", "p99_ms", "ms", 600_000),
    ]
    if broken:
        during = f"while {target} is broken"
        asked += [
            Question("degraded", f"How many answers are not as wished {during}?", "degraded_share", "%", 100, broken),
            Question("calls", f"How many calls reach {target} {during}?", "calls", "calls", 1e9, broken, target),
        ]
    else:
        asked.append(Question("cached", "How many are answered without a call of their own?", "cached_share", "%", 100))
    asked.append(Question("usd", "What do the providers bill for 1,000 requests?", "usd_per_1000", "USD", 1e6))
    return [question for question in asked if question.target in (None, *LLM_TARGETS)]


def planned_requests(scenario: Scenario) -> int:
    """About how many requests an open scenario sends: whoever predicts should know."""
    return round(sum(sum(phase.rates) / 2 * phase.for_s + phase.at_once for phase in scenario.phase))


def nearness(predicted: Predicted, evidence: Evidence) -> str:
    """How near it came, in a word or two: of shares in points, of the rest in times."""
    measured = predicted.measured(evidence)
    if measured is None:
        return "nothing to measure"
    if predicted.unit == "share":
        points = abs(measured - predicted.value) * PERCENT
        return "spot on" if points < 0.5 else f"{points:.1f} points off"
    low, high = sorted((max(measured, 1e-9), max(predicted.value, 1e-9)))
    times = high / low
    if times < 1.1:
        return "spot on"
    return f"{times:,.1f} times too {'high' if predicted.value > measured else 'low'}" if times < 1000 else "far off"


def said(value: float | None, unit: str) -> str:
    """A figure of a prediction in words."""
    return "–" if value is None else amount(value, unit)


def document(predictions: Sequence[Predicted], evidence: Evidence) -> list[dict[str, object]]:
    """As `prediction.json` has it (docs/recorded-runs.md): in the measures' units, and in words."""
    rows: list[dict[str, object]] = []
    for one in predictions:
        measured = one.measured(evidence)
        rows.append(
            {
                "measure": one.measure,
                "during": list(one.during),
                "target": one.target,
                "words": one.words,
                "predicted": one.value,
                "predicted_said": said(one.value, one.unit),
                "measured": measured,
                "measured_said": said(measured, one.unit),
                "nearness": nearness(one, evidence),
            }
        )
    return rows
