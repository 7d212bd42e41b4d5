"""What is known of a run when it is judged: what its client saw, what reached the providers, when what was broken.

Times are Unix seconds. The service's own word is not in it: promises are judged at the two ends of the wire. Read
`scope.py` next: which part of it counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from loadtests.books.client import Entry
from loadtests.books.ledger import Call, Charge, Webhook


@dataclass(frozen=True, slots=True)
class Window:
    """A phase, as it was: `name` from `since` until before `until`."""

    name: str
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Band:
    """A fault while it was active; `label` is what people read."""

    target: str
    label: str
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Change:
    """A provider's circuit took this state (`closed`, `open`, `half_open`)."""

    t: float
    provider: str
    state: str


@dataclass(frozen=True, slots=True)
class Generator:
    """How the load generator fared: requests sent, those that it could not send, and those sent late.

    `late` were sent more than LATE_MS after they were due, `latest_ms` the most; `busy` is the share of a core that its
    busiest process used, 0 to 1.
    """

    sent: int = 0
    not_sent: int = 0
    late: int = 0
    latest_ms: float = 0.0
    busy: float = 0.0
    processes: int = 1


LATE_MS = 500.0
"""Three hundred requests at one moment take a third of a second to send; who is later than this is saturated."""


@dataclass(frozen=True)
class Evidence:
    """Of one run; `phases` follow each other from `began` to `ended`. `entries` have `t` when they were due."""

    began: float
    ended: float
    phases: Sequence[Window]
    entries: Sequence[Entry]
    calls: Sequence[Call] = ()
    charges: Sequence[Charge] = ()
    bands: Sequence[Band] = ()
    changes: Sequence[Change] = ()
    generator: Generator = field(default_factory=Generator)
    webhooks: Sequence[Webhook] = ()
    has_ledger: bool = True
    """False where nobody simulated the providers: what reached them is not known."""

    @cached_property
    def windows(self) -> dict[str, Window]:
        """The phases by name."""
        return {window.name: window for window in self.phases}
