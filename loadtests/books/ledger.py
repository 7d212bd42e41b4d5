"""The provider's ledger: every call that reached the simulator, every movement of money, every webhook that came.

Read live over HTTP, or from the snapshot that a run took when it ended. Read `findings.py` next: what a comparison
says.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from loadtests.books import wire
from loadtests.books.errors import CannotJudge

NAME = "ledger.json"
WHOSE = "the simulator"


@dataclass(frozen=True, slots=True)
class Call:
    """One row: `t` is the call's start in Unix seconds, `duration_s` null while it runs; money in nano-USD."""

    seq: int
    t: float
    target: str
    request_id: str | None
    attempt: int
    model: str | None
    status: int | None
    input_tokens: int
    output_tokens: int
    billed_nano_usd: int
    completed: bool
    duration_s: float | None

    @property
    def ended(self) -> float:
        """Unix seconds; its start while it runs."""
        return self.t + (self.duration_s or 0.0)


@dataclass(frozen=True, slots=True)
class Charge:
    """One movement of money, `amount` in minor units."""

    t: float
    idempotency_key: str | None
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """One message as it reached the receiver; `status` is what its sender was answered, null while it is not.

    `verified`: its signature was right; `duplicate`: a message of this id was taken before.
    """

    seq: int
    t: float
    message_id: str | None
    event: str | None
    subject_id: str | None
    verified: bool
    duplicate: bool
    status: int | None
    fault: str | None

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it: what is told 2xx is right."""
        return self.verified and self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class ProviderLedger:
    """The calls in order of start, all charges, and webhooks, from `complete_from` to `taken` (Unix seconds) without a
    gap. `receiver` is the port of the simulator's receiver of webhooks.
    """

    calls: Sequence[Call] = ()
    charges: Sequence[Charge] = ()
    last_seq: int = 0
    complete_from: float = 0.0
    taken: float = math.inf
    webhooks: Sequence[Webhook] = ()
    receiver: int | None = None


_LEDGER = TypeAdapter(ProviderLedger)


@dataclass(slots=True)
class LedgerReader:
    """Reads the ledger of the simulator at `url` from after row `since` on, again and again.

    Each time it asks from below its oldest open row, so that what is final travels once.
    """

    url: str
    since: int = 0
    _final: dict[int, Call] = field(default_factory=dict, init=False)
    _webhooks: dict[int, Webhook] = field(default_factory=dict, init=False)
    _asked_from: int = field(init=False)
    _receiver: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._asked_from = self.since

    def read(self) -> ProviderLedger:
        """The ledger now. Raises CannotJudge."""
        taken = time.time()
        if self._receiver is None:
            self._receiver = wire.get(WHOSE, self.url, "/sim/state")["ports"].get("webhooks")
        fresh = fetch(self.url, self._asked_from)
        if fresh.last_seq < self._asked_from:
            raise CannotJudge(f"the simulator at {self.url} is not the one of that time: its ledger began anew")
        still_open = [call.seq for call in fresh.calls if call.duration_s is None]
        self._final |= {call.seq: call for call in fresh.calls if call.duration_s is not None}
        self._asked_from = min(still_open, default=fresh.last_seq + 1) - 1
        both = self._final | {call.seq: call for call in fresh.calls}
        calls = [both[seq] for seq in sorted(both)]
        self._webhooks |= {one.seq: one for one in fresh.webhooks}
        webhooks = [self._webhooks[seq] for seq in sorted(self._webhooks)]
        return ProviderLedger(
            calls, fresh.charges, fresh.last_seq, fresh.complete_from, taken, webhooks, self._receiver
        )


def fetch(url: str, since: int) -> ProviderLedger:
    """The rows after `since`, and all charges. Raises CannotJudge."""
    return _parsed(wire.get(WHOSE, url, f"/sim/ledger?since={since}"), url)


def last_seq(url: str) -> int:
    """The number of the newest row. Raises CannotJudge."""
    return int(wire.get(WHOSE, url, "/sim/state")["last_seq"])


def snapshot(folder: Path) -> ProviderLedger | None:
    """What a run kept of the ledger, None when it kept nothing. Raises CannotJudge when that cannot be read."""
    path = folder / NAME
    try:
        return _LEDGER.validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise CannotJudge(f"the ledger's snapshot {path} cannot be read: {error}") from error


def encoded(ledger: ProviderLedger) -> bytes:
    """As `snapshot` reads it."""
    return _LEDGER.dump_json(ledger, indent=1)


def _parsed(document: Any, url: str) -> ProviderLedger:
    try:
        return _LEDGER.validate_python(document)
    except ValidationError as error:
        raise CannotJudge(f"the ledger of the simulator at {url} is not as documented: {error}") from error
