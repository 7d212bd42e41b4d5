"""From what is known of a run to a verdict: each expectation against its measure, the books, and whether it counts.

A run that could not put its load on, or whose books nobody could judge, is never a pass: its verdict is `unknown`. One
that failed all the same (a promise was broken even so) says `fail` only where its load was put on. Read `show.py` next.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from loadtests.scenario.files import ScenarioError
from loadtests.scenario.model import Expectation, Scenario, Target
from loadtests.verdict.evidence import LATE_MS, Evidence, Generator
from loadtests.verdict.measures import MEASURES, NEED_TARGET
from loadtests.verdict.scope import scope_of

Word = Literal["pass", "fail", "unknown"]
BooksWord = Literal["balanced", "differences", "not judged"]

MOST_LATE_SHARE = 0.02
"""Of the requests, that may be sent late: a shared machine stops everything now and then."""

MOST_BUSY = 0.95
MOST_DIGITS_MORE = 6


@dataclass(frozen=True, slots=True)
class Judged:
    """One expectation: what was measured (None: there was nothing) and whether it is kept (None: unknown)."""

    expected: Expectation
    unit: str
    measured: float | None
    passed: bool | None

    @property
    def bound(self) -> str:
        """Such as `>= 99 %`, or both ends."""
        low, high = self.expected.at_least, self.expected.at_most
        if low is not None and low == high:
            return f"= {amount(low, self.unit)}"
        ends = ((">=", low), ("<=", high))
        return ", ".join(f"{sign} {amount(end, self.unit)}" for sign, end in ends if end is not None)

    @property
    def said(self) -> str:
        """What was measured, in its unit; what broke a bound by little with the digits that show it."""
        if self.measured is None:
            return "nothing"
        ends = [end for end in (self.expected.at_least, self.expected.at_most) if end is not None]
        for more in range(MOST_DIGITS_MORE):
            words = amount(self.measured, self.unit, more)
            if self.passed or words not in [amount(end, self.unit, more) for end in ends]:
                return words
        return amount(self.measured, self.unit)

    @property
    def about(self) -> str:
        """The measure and what it is restricted to, such as `success_share, for quiet, during outage`."""
        expected = self.expected
        words = [expected.measure]
        words += [expected.target] if expected.target else []
        words += [f"of {expected.kind}"] if expected.kind else []
        words += [f"for {expected.callers}"] if expected.callers else []
        words += [f"during {' and '.join(expected.during)}"] if expected.during else []
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word, why it could not be judged where that is so, and every expectation."""

    word: Word
    reason: str | None
    judged: Sequence[Judged]
    books: BooksWord
    books_said: str = ""

    def document(self) -> dict[str, Any]:
        """As `verdict.json` has it (docs/recorded-runs.md)."""
        rows = []
        for one in self.judged:
            finite = one.measured is not None and math.isfinite(one.measured)
            row = one.expected.model_dump()
            rows.append(
                {
                    **{name: row[name] for name in ("measure", "callers", "kind", "target", "why")},
                    "during": list(one.expected.during),
                    "bound": one.bound,
                    "measured": one.measured if finite else None,
                    "said": one.said,
                    "unit": one.unit,
                    "passed": one.passed,
                }
            )
        return {
            "verdict": self.word,
            "reason": self.reason,
            "expectations": rows,
            "books": self.books,
            "books_said": self.books_said,
        }


def check(scenario: Scenario) -> None:
    """Raises ScenarioError for an expectation of a measure that nobody knows."""
    for expected in scenario.expect:
        if expected.measure not in MEASURES:
            raise ScenarioError(f"expect: no measure is named {expected.measure!r}; there are {', '.join(MEASURES)}")
        if expected.measure in NEED_TARGET and expected.target is None:
            raise ScenarioError(f"expect: {expected.measure} needs a target: {', '.join(get_args(Target))}")


def judge(
    scenario: Scenario,
    evidence: Evidence,
    *,
    books: BooksWord,
    books_said: str = "",
    reason: str | None = None,
    books_count: bool = True,
    simulated: bool = True,
) -> Verdict:
    """The verdict. `reason` is why the run does not count, where the caller knows (it was stopped, say).

    Where nobody simulated the providers there is no ledger: what would be read from it, and the books, count for
    nothing.
    """
    judged = [_judged(evidence, expected) for expected in scenario.expect]
    reason = reason or _not_put_on(evidence.generator)
    broken = (books == "differences" and books_count) or any(one.passed is False for one in judged)
    if reason is None and broken:
        return Verdict("fail", None, judged, books, books_said)
    if reason is None and books == "not judged" and books_count and simulated:
        reason = f"the books could not be judged: {books_said}"
    counted = [one for one in judged if simulated or not MEASURES[one.expected.measure].from_ledger]
    if reason is None and (blank := [one.about for one in counted if one.passed is None]):
        reason = f"there was nothing to measure for {'; '.join(blank)}"
    return Verdict("unknown" if reason else "pass", reason, judged, books, books_said)


def _judged(evidence: Evidence, expected: Expectation) -> Judged:
    measure = MEASURES[expected.measure]
    measured = None
    if evidence.has_ledger or not measure.from_ledger:
        measured = measure.read(scope_of(evidence, expected))
    passed = None
    if measured is not None:
        low, high = expected.at_least, expected.at_most
        passed = (low is None or measured >= low) and (high is None or measured <= high)
    return Judged(expected, measure.unit, measured, passed)


def _not_put_on(generator: Generator) -> str | None:
    """Why the load was not the one that was asked for."""
    planned = generator.sent + generator.not_sent
    if not generator.sent:
        return "no request was sent"
    if generator.not_sent:
        return (
            f"the load generator is saturated: it did not send {generator.not_sent:,} of {planned:,} requests; "
            "more processes (--workers) or fewer arrivals (--users) help"
        )
    if generator.late > MOST_LATE_SHARE * planned:
        return (
            f"the load generator is saturated: it sent {generator.late:,} of {planned:,} requests more than "
            f"{LATE_MS:.0f} ms late (the latest by {generator.latest_ms:,.0f} ms); this machine is busy, or it needs "
            "more processes (--workers)"
        )
    if generator.busy > MOST_BUSY:
        return f"the load generator is saturated: it used {generator.busy:.0%} of a core; more --workers help"
    return None


def amount(value: float, unit: str, more: int = 0) -> str:
    """A figure as people read it, or with so many digits `more`."""
    if math.isinf(value):
        return "never"
    if unit == "share":
        return f"{value * 100:.{3 + more}g} %"
    if unit == "ms":
        return f"{value:,.{more}f} ms"
    if unit == "s":
        return f"{value:.{1 + more}f} s"
    if unit == "usd":
        return f"${value:,.{3 + more}f}"
    return f"{value:,.{2 + more}f}" if unit == "ratio" else f"{value:,.{more}f}"
