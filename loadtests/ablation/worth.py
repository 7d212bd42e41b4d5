"""What the runs of an ablation say beside each other, and what each stage was worth in a sentence.

Worth is the difference to the run with all stages: success, p99, calls to the providers, money. Read
`loadtests/verdict/measures.py` for how each is measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.ablation.variants import Variant
from loadtests.scenario.model import LLM_TARGETS, Scenario
from loadtests.verdict.evidence import Evidence
from loadtests.verdict.judge import amount
from loadtests.verdict.told import figure

HEADERS = ("", "success", "p99", "first token p95", "calls", "to {target}", "calls per request", "USD per 1,000")
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One run in figures, None where there are none. `calls` are all of them, `broken_calls` those to the target."""

    label: str
    success: float | None
    p99_ms: float | None
    first_token_p95_ms: float | None
    calls: float | None
    broken_calls: float | None
    amplification: float | None
    usd_per_1000: float | None
    gave_up: bool = False
    """Somebody still waited when the run ended: times are at least these."""

    def cells(self) -> list[str]:
        """As the table has them."""
        return [
            _said(self.success, "share"),
            self._waited(self.p99_ms),
            self._waited(self.first_token_p95_ms),
            _said(self.calls, "count"),
            _said(self.broken_calls, "count"),
            _said(self.amplification, "ratio"),
            _said(self.usd_per_1000, "usd"),
        ]

    def _waited(self, value: float | None) -> str:
        return f"{'>= ' if self.gave_up and value is not None else ''}{_said(value, 'ms')}"


def target_of(scenario: Scenario) -> str:
    """The provider that the scenario breaks, the primary one where it breaks none."""
    broken = [fault.target for phase in scenario.phase for fault in phase.fault if fault.target in LLM_TARGETS]
    return broken[0] if broken else LLM_TARGETS[0]


def rows(runs: Sequence[tuple[Variant, Scenario, Evidence]]) -> list[Row]:
    """Each run in figures, over its whole length; calls to the broken provider only while it was broken."""
    found = []
    for variant, scenario, evidence in runs:
        target = target_of(scenario)
        broken = tuple(p.name for p in scenario.phase if any(fault.target == target for fault in p.fault))
        found.append(
            Row(
                variant.label,
                figure(evidence, "success_share"),
                figure(evidence, "p99_ms"),
                figure(evidence, "first_token_p95_ms"),
                figure(evidence, "calls"),
                figure(evidence, "calls", during=broken, target=target),
                figure(evidence, "amplification"),
                figure(evidence, "usd_per_1000"),
                any(entry.outcome == "left" for entry in evidence.entries),
            )
        )
    return found


def sentences(variants: Sequence[Variant], found: Sequence[Row]) -> list[str]:
    """What each stage was worth in this incident, against the run with all of them."""
    whole = next(
        row for variant, row in zip(variants, found, strict=True) if not (variant.off or variant.order or variant.poc)
    )
    said = []
    for variant, row in zip(variants, found, strict=True):
        if row is whole:
            continue
        changes = [
            _points("success", whole.success, row.success),
            _change("p99", whole.p99_ms, row.p99_ms, "ms"),
            _change("calls", whole.calls, row.calls, "count"),
            _change("per 1,000 requests", whole.usd_per_1000, row.usd_per_1000, "usd"),
        ]
        told = ", ".join(change for change in changes if change) or "nothing that can be told from noise"
        said.append(f"{variant.label}: {told}")
    return said


LEAST = {"share": 0.002, "ms": 0.15, "count": 0.03, "usd": 0.05}
"""Smaller differences (of shares absolute, of the rest relative) are noise."""


def _points(what: str, before: float | None, after: float | None) -> str:
    if before is None or after is None or abs(after - before) < LEAST["share"]:
        return ""
    return f"{what} {'+' if after > before else '−'}{abs(after - before) * 100:.1f} points"


def _change(what: str, before: float | None, after: float | None, unit: str) -> str:
    if before is None or after is None or abs(after - before) < LEAST[unit] * max(before, 1e-9):
        return ""
    sign = "+" if after > before else "−"
    return f"{what} {sign}{amount(abs(after - before), unit)}"


def _said(value: float | None, unit: str) -> str:
    return NOTHING if value is None else amount(value, unit)
