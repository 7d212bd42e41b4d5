"""The three books side by side: which of their pages belong to the time that is judged.

Read `reconcile.py` next.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from loadtests.books import losses
from loadtests.books.client import Entry
from loadtests.books.ledger import Call, ProviderLedger
from loadtests.books.losses import Death
from loadtests.books.service import Record, ServiceBook

SEEDED = 5
"""Load scenarios make their request ids as UUIDv5 of seed, user and number (DESIGN section 5)."""

OWN_WORK = 8
"""What a worker does for a job has ids that no client makes (docs/telemetry.md)."""

RECENT_S = 30.0
"""What ended this lately may not have reached the collector yet."""

T = TypeVar("T")


@dataclass(frozen=True)
class Books:
    """The books, and the time that is judged: from `since` to `until`, read at `now` (Unix seconds).

    `client` is None when there is no such book; `closed` is false when its writer has not said that it is complete.
    """

    client: Sequence[Entry] | None
    service: ServiceBook
    ledger: ProviderLedger
    since: float
    until: float
    now: float
    closed: bool = True

    @cached_property
    def deaths(self) -> Sequence[Death]:
        """The workers that were killed."""
        return losses.deaths(self.service.instances, self.now)

    @cached_property
    def sent(self) -> Mapping[str, Sequence[Entry]]:
        """The client's lines by request id, in order of sending."""
        return _grouped((entry.request_id, entry) for entry in sorted(self.client or (), key=lambda entry: entry.t))

    @cached_property
    def known(self) -> Mapping[str, Sequence[Record]]:
        """Every record by request id, in order of arrival, those from outside of the time too."""
        records = sorted(self.service.records, key=lambda record: record.t)
        return _grouped((record.request_id, record) for record in records)

    @cached_property
    def records(self) -> Mapping[str, Sequence[Record]]:
        """The records that are judged: of a request that the client has sent, or of the time.

        A request of another caller that went on after the ledger was taken has calls that are not in it.
        """
        return {
            request_id: records
            for request_id, records in self.known.items()
            if request_id in self.sent
            or any(self.since <= record.t <= self.until and record.ended <= self.ledger.taken for record in records)
        }

    @cached_property
    def calls(self) -> Mapping[str, Sequence[Call]]:
        """The ledger's rows by request id: the service sends UUIDs, whatever else is there is somebody else's."""
        return _grouped((call.request_id, call) for call in self.ledger.calls if call.request_id and ours(call))

    @cached_property
    def webhook_calls(self) -> Mapping[int, Call]:
        """The calls to the receiver of webhooks, by the number of their row, which is that of the webhook."""
        return {call.seq: call for call in self.ledger.calls if call.target == "webhooks"}

    @cached_property
    def orphans(self) -> Mapping[str, Sequence[Call]]:
        """Calls of the time, or of a request that the client has sent, of whose request there is no record."""
        return {
            request_id: calls
            for request_id, calls in self.calls.items()
            if request_id not in self.known
            and (request_id in self.sent or any(self.since <= call.t <= self.until for call in calls))
        }

    @cached_property
    def client_versions(self) -> frozenset[int | None]:
        """The kinds of UUID that the client's request ids are."""
        return frozenset({SEEDED, *(version(request_id) for request_id in self.sent)})

    @cached_property
    def client_ended(self) -> float:
        """The end of the last request in the client's book, Unix seconds."""
        return max((entry.ended for entry in self.client or ()), default=self.since)

    def recent(self, t: float) -> bool:
        """Whether this moment is so close that a book may not have heard of it yet."""
        return self.now - t < RECENT_S


def version(request_id: str) -> int | None:
    """The version of a UUID, None for what is none."""
    try:
        return uuid.UUID(request_id).version
    except ValueError:
        return None


def ours(call: Call) -> bool:
    """Whether a call carries a request id such as the service sends: a UUID in its canonical form."""
    try:
        return call.request_id is not None and str(uuid.UUID(call.request_id)) == call.request_id
    except ValueError:
        return False


def _grouped(pairs: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return dict(groups)
