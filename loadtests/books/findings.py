"""What a comparison says: lines with the counts of each book, and differences with the request that shows them.

A line is `exact` (must agree), `interval` (must lie between bounds), `explained` or `not compared` (counted, never
silently dropped), and becomes a `difference` as soon as one was found under it. Money is integer nano-USD, never a
float. Read `reconcile.py` next, which fills this in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["exact", "interval", "explained", "not compared", "difference"]
Unit = Literal["count", "tokens", "nano_usd"]
Said = str | int | None

RULES = (
    "requests",  # each sent request has exactly one record
    "outcomes",  # … which says the same of it
    "told",  # usage and cost as the client was told are those of the record
    "totals",  # a record adds up
    "calls",  # each attempt is a row of the ledger, with the same status
    "usage",  # tokens and money that the provider stated
    "interval",  # what was ended early, between bounds
    "charges",  # a refund moves the money once
    "jobs",  # a job ended as its client was told, and cost what its steps did
    "runs",  # a run of the agent that refunded moved the money once, approved where it had to be
    "webhooks",  # what was delivered was received, and the other way round
    "lost",  # what a kill -9 took along
    "unread",  # ended by us before the provider had read it
    "ambiguous",  # charged by a refund that failed all the same
    "unclosed",  # under way when the client died
    "redelivered",  # OTLP delivers at least once
    "unpriced",
    "dead",
    "repeated",
    "elsewhere",
    "refused",
    "unreached",
    "work",  # what a worker did by itself
    "strangers",
    "foreign",
    "under_way",
)
"""In the order in which they are shown."""

OUTCOMES = ("answered", "refused", "failed", "broken", "left by the client", "connection lost")


@dataclass(slots=True)
class Line:
    """A rule's sums: None for a book that has no say. On an `interval` line `service` is the upper bound."""

    rule: str
    what: str
    kind: Kind
    unit: Unit = "count"
    client: int | None = None
    service: int | None = None
    ledger: int | None = None
    ids: list[str] = field(default_factory=list)

    def add(self, request_id: str = "", *, client: int = 0, service: int = 0, ledger: int = 0) -> None:
        """Count for those books that have a say; the request is listed when it is named."""
        self.client = _sum(self.client, client)
        self.service = _sum(self.service, service)
        self.ledger = _sum(self.ledger, ledger)
        if request_id and request_id not in self.ids[-1:]:
            self.ids.append(request_id)


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement: which fact of which attempt, and what each book says of it; None for a book without a say."""

    rule: str
    what: str
    request_id: str | None
    target: str | None = None
    attempt: int | None = None
    client: Said = None
    service: Said = None
    ledger: Said = None


@dataclass(slots=True)
class Reconciliation:
    """The result. `open` are requests that may still come to a book: it is worth asking again."""

    lines: list[Line] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    open: set[str] = field(default_factory=set)
    _by_name: dict[tuple[str, str, Unit], Line] = field(default_factory=dict, repr=False)

    @property
    def balanced(self) -> bool:
        """Whether no difference is left unexplained."""
        return not self.differences

    def line(self, rule: str, what: str, kind: Kind, books: str, unit: Unit = "count") -> Line:
        """The line of this rule and these words; made when it is first asked for, with zeros for its `books`."""
        line = self._by_name.get((rule, what, unit))
        if line is None:
            client, service, ledger = (0 if book in books else None for book in ("client", "service", "ledger"))
            line = self._by_name[rule, what, unit] = Line(rule, what, kind, unit, client, service, ledger)
            self.lines.append(line)
        return line

    def differ(self, line: Line, difference: Difference) -> None:
        """Note a difference under a line."""
        line.kind = "difference"
        self.differences.append(difference)

    def of_kind(self, *kinds: Kind) -> Sequence[Line]:
        """The lines of these kinds, in the order of the rules."""
        return [line for line in self.sorted() if line.kind in kinds]

    def sorted(self) -> Sequence[Line]:
        """All lines in the order of the rules; outcomes in theirs, calls by target and status."""
        return sorted(self.lines, key=_place)


def _place(line: Line) -> tuple[int, int, str]:
    outcome = OUTCOMES.index(line.what) if line.rule == "outcomes" else 0
    return RULES.index(line.rule), outcome, line.what if line.rule == "calls" else ""


def _sum(before: int | None, more: int) -> int | None:
    return before if before is None else before + more
