"""The ledger: one row for every call that reached the simulator, every movement of money, every webhook (DESIGN 5).

A row is visible from the start of its call, with `completed` false and `status` and `duration_s` null, and is final
once `duration_s` is a number. A reader that polls with `since` therefore keeps asking from below its oldest open row.

- `t` is the start of the call, Unix seconds; `duration_s` runs from there to the last byte or to the client's leaving.
- `status` is the HTTP status that was sent, null when none was.
- `completed`: a whole, well-formed response was sent, be it an answer or an error.
- `cancelled`: the client left before the response was complete.
- `fault` is the injected fault; a 429 with `fault` null comes from a quota, other 4xx from the request itself.

A webhook that arrived has a row among the calls (target `webhooks`, its message id as `request_id`) and one of its own
in `webhooks`, with the same `seq`, `t`, `status` and `fault`: `verified` says whether its signature and time stamp were
right, `duplicate` whether a message of this id was taken before.

Rows of finished calls are kept as JSON bytes in a ring of MAX_ROWS (about 0.4 kB each), older ones are forgotten;
`complete_from` says since when (Unix seconds) nothing was. Read `exchange.py` next: it opens and closes the rows.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import orjson

MAX_ROWS = 500_000
"""Calls kept; at 0.4 kB each this bounds the ledger to about 200 MB."""

MAX_CHARGES = 100_000
"""Money movements kept."""

MAX_RECEIPTS = 100_000
"""Webhooks kept."""


class Row:
    """One call while it runs; the attributes are the fields of the ledger."""

    __slots__ = (
        "attempt",
        "billed_nano_usd",
        "cancelled",
        "completed",
        "duration_s",
        "endpoint",
        "fault",
        "input_tokens",
        "model",
        "output_tokens",
        "request_id",
        "seq",
        "status",
        "stream",
        "t",
        "target",
    )

    def __init__(self, seq: int, t: float, target: str, endpoint: str, request_id: str | None, attempt: int) -> None:
        self.seq = seq
        self.t = t
        self.target = target
        self.endpoint = endpoint
        self.request_id = request_id
        self.attempt = attempt
        self.model: str | None = None
        self.stream = False
        self.status: int | None = None
        self.fault: str | None = None
        self.input_tokens = 0
        self.output_tokens = 0
        self.billed_nano_usd = 0
        self.completed = False
        self.cancelled = False
        self.duration_s: float | None = None

    def encode(self) -> bytes:
        """Return the row as JSON bytes, fields in the order of DESIGN section 5."""
        return orjson.dumps(
            {
                "seq": self.seq,
                "t": self.t,
                "target": self.target,
                "endpoint": self.endpoint,
                "request_id": self.request_id,
                "attempt": self.attempt,
                "model": self.model,
                "stream": self.stream,
                "status": self.status,
                "fault": self.fault,
                "input_tokens": self.input_tokens,
                "output_tokens": self.output_tokens,
                "billed_nano_usd": self.billed_nano_usd,
                "completed": self.completed,
                "cancelled": self.cancelled,
                "duration_s": self.duration_s,
            }
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """A webhook as it arrived; what it was answered is in the row of its call."""

    row: Row
    message_id: str | None
    event: str | None
    subject_id: str | None
    verified: bool
    duplicate: bool

    def encode(self) -> bytes:
        """Return it as JSON bytes."""
        return orjson.dumps(
            {
                "seq": self.row.seq,
                "t": self.row.t,
                "message_id": self.message_id,
                "event": self.event,
                "subject_id": self.subject_id,
                "verified": self.verified,
                "duplicate": self.duplicate,
                "status": self.row.status,
                "fault": self.row.fault,
            }
        )


class Ledger:
    """A ring of rows numbered by `seq`, which goes on counting over `clear`; the lists of charges and of webhooks."""

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        self._max_rows = max_rows
        self._ring: list[Row | bytes] = []
        self._first_seq = 1
        self._charges: deque[bytes] = deque(maxlen=MAX_CHARGES)
        self._receipts: deque[Receipt] = deque(maxlen=MAX_RECEIPTS)
        self._began = time.time()
        self.last_seq = 0

    def open(self, t: float, target: str, endpoint: str, request_id: str | None, attempt: int) -> Row:
        """Start the row of a call that began at `t`."""
        self.last_seq += 1
        row = Row(self.last_seq, t, target, endpoint, request_id, attempt)
        slot = (row.seq - self._first_seq) % self._max_rows
        if slot == len(self._ring):
            self._ring.append(row)
        else:
            self._ring[slot] = row
        return row

    def close(self, row: Row, duration_s: float) -> None:
        """Make a row final; a row that was cleared or overwritten meanwhile stays forgotten."""
        row.duration_s = duration_s
        if row.seq >= self._oldest():
            self._ring[(row.seq - self._first_seq) % self._max_rows] = row.encode()

    def charge(self, idempotency_key: str | None, amount: int, currency: str) -> None:
        """Record one movement of money, in minor units of `currency`."""
        entry = {"t": time.time(), "idempotency_key": idempotency_key, "amount": amount, "currency": currency}
        self._charges.append(orjson.dumps(entry))

    def receive(self, receipt: Receipt) -> None:
        """Record a webhook that arrived."""
        self._receipts.append(receipt)

    def clear(self) -> None:
        """Forget all rows, charges and webhooks; numbering goes on."""
        self._ring.clear()
        self._charges.clear()
        self._receipts.clear()
        self._first_seq = self.last_seq + 1
        self._began = time.time()

    def encode(self, since: int) -> bytes:
        """Return `{"calls", "charges", "webhooks", "last_seq", "complete_from"}`: the rows after `since` in order of
        start, and all charges.
        """
        first = max(since + 1, self._oldest())
        rows = (self._ring[(seq - self._first_seq) % self._max_rows] for seq in range(first, self.last_seq + 1))
        calls = b",".join(row if isinstance(row, bytes) else row.encode() for row in rows)
        charges = b",".join(self._charges)
        webhooks = b",".join(receipt.encode() for receipt in self._receipts if receipt.row.seq > since)
        about = b'"last_seq":%d,"complete_from":%.6f' % (self.last_seq, self._complete_from())
        return b'{"calls":[%b],"charges":[%b],"webhooks":[%b],%b}' % (calls, charges, webhooks, about)

    def _complete_from(self) -> float:
        """The start of the oldest row, charge or webhook kept, once older ones were forgotten; else our own start."""
        since = self._began
        if self._oldest() > self._first_seq:
            oldest = self._ring[(self._oldest() - self._first_seq) % self._max_rows]
            since = oldest.t if isinstance(oldest, Row) else orjson.loads(oldest)["t"]
        if len(self._charges) == MAX_CHARGES:
            since = max(since, orjson.loads(self._charges[0])["t"])
        if len(self._receipts) == MAX_RECEIPTS:
            since = max(since, self._receipts[0].row.t)
        return since

    def _oldest(self) -> int:
        return max(self._first_seq, self.last_seq - self._max_rows + 1)
