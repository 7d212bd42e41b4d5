"""Service against ledger: each attempt is one row, joined on request id, target and number.

Counts and statuses are exact. Tokens and money are exact where the provider stated them, and lie between nothing and
the record's bound where the call was ended early. Read `charges.py` next.
"""

from collections.abc import Sequence

from loadtests.books import losses
from loadtests.books.books import OWN_WORK, Books, ours, version
from loadtests.books.findings import Difference, Line, Reconciliation, Said
from loadtests.books.ledger import Call
from loadtests.books.service import Attempt, Record

BOTH = "service ledger"
PAYMENTS, EMBEDDINGS = "payments", "embeddings"
WEBHOOKS = "webhooks"
"""Calls to users' receivers: no attempts of requests, and compared in `webhooks.py`."""
ENDED_BY_US = ("cancelled", "timed_out")
REFUSED = "connection_failed"


def compare(books: Books, into: Reconciliation) -> None:
    """Every attempt and every call of the time."""
    for request_id, records in books.records.items():
        rest = list(books.calls.get(request_id, ()))
        for record in records:
            for attempt in record.attempts:
                row = next((call for call in rest if (call.target, call.attempt) == (attempt.target, attempt.n)), None)
                if row is None:
                    _uncalled(record, attempt, into)
                else:
                    rest.remove(row)
                    _Pair(record, attempt, row, into).compare()
        for call in rest:
            _unrecorded(call, "no such attempt", into)
    for request_id, calls in books.orphans.items():
        _orphaned(books, request_id, calls, into)
    for call in books.ledger.calls:
        if not ours(call) and call.target != WEBHOOKS and books.since <= call.t <= books.until:
            into.line("foreign", "calls without a request id of ours", "not compared", "ledger").add(ledger=1)


def _calls(into: Reconciliation, target: str, status: int | None) -> Line:
    return into.line("calls", f"{target} {'no status' if status is None else status}", "exact", BOTH)


def _uncalled(record: Record, attempt: Attempt, into: Reconciliation) -> None:
    """An attempt that the provider knows nothing of."""
    if attempt.upstream_status is None and attempt.status in ENDED_BY_US:
        words = "ended before the provider had read them"
        into.line("unread", words, "explained", "service").add(record.request_id, service=1)
    elif attempt.upstream_status is None and attempt.status == REFUSED:
        into.line("refused", "refused connections", "not compared", "service").add(record.request_id, service=1)
    else:
        line = _calls(into, attempt.target, attempt.upstream_status)
        line.add(service=1)
        status = "no status" if attempt.upstream_status is None else attempt.upstream_status
        said = f"{attempt.status}, {status}"
        into.differ(
            line,
            Difference(
                "calls", "attempt", record.request_id, attempt.target, attempt.n, service=said, ledger="no such call"
            ),
        )


def _unrecorded(call: Call, said: str, into: Reconciliation) -> None:
    """A call that the service's book knows nothing of."""
    line = _calls(into, call.target, call.status)
    line.add(ledger=1)
    status = "no status" if call.status is None else call.status
    into.differ(
        line, Difference("calls", "call", call.request_id, call.target, call.attempt, service=said, ledger=status)
    )


def _orphaned(books: Books, request_id: str, calls: Sequence[Call], into: Reconciliation) -> None:
    """Calls for a request of which there is no record."""
    if any(call.duration_s is None for call in calls):
        into.open.add(request_id)
        into.line("under_way", "still under way", "not compared", "ledger").add(request_id, ledger=len(calls))
        return
    if any(books.recent(call.ended) for call in calls):
        into.open.add(request_id)
    sent = books.sent.get(request_id)
    if sent is not None:
        if any(losses.of_entry(books.deaths, entry) for entry in sent):
            return  # listed with the client's line
    elif (instance := losses.of_calls(books.deaths, calls, works=_works(request_id, calls))) is not None:
        line = into.line("lost", f"lost by the kill of {instance}", "explained", "client service ledger")
        line.add(request_id, ledger=len(calls))
        return
    for call in calls:
        _unrecorded(call, "no record", into)


def _works(request_id: str, calls: Sequence[Call]) -> bool | None:
    """Whether who works through the queue made them. Vectors of a corpus are made by whoever needs it first."""
    if all(call.target == EMBEDDINGS for call in calls):
        return None
    return version(request_id) == OWN_WORK


class _Pair:
    """One attempt in both books."""

    def __init__(self, record: Record, attempt: Attempt, call: Call, into: Reconciliation) -> None:
        self._record = record
        self._attempt = attempt
        self._call = call
        self._into = into

    def compare(self) -> None:
        """Status and model, then what it cost."""
        attempt, call = self._attempt, self._call
        if call.duration_s is None:
            self._into.open.add(self._record.request_id)
            line = self._into.line("under_way", "still under way", "not compared", BOTH)
            line.add(self._record.request_id, service=1, ledger=1)
            return
        seen = attempt.upstream_status
        unseen = seen is None and call.status is not None and (not call.completed or attempt.status in ENDED_BY_US)
        line = _calls(self._into, attempt.target, seen)
        line.add(service=1)
        if seen == call.status or unseen:
            line.add(ledger=1)
        else:
            other = _calls(self._into, attempt.target, call.status)
            other.add(ledger=1)
            other.kind = "difference"
            self._differs(line, "calls", "status", seen, call.status)
        if None not in (attempt.model, call.model) and attempt.model != call.model:
            self._differs(line, "calls", "model", attempt.model, call.model)
        if attempt.exact:
            self._stated()
        else:
            self._bounded()

    def _stated(self) -> None:
        """What the provider stated, or refused to do: to the token and the nano-USD."""
        attempt, call = self._attempt, self._call
        self._same("usage", "input tokens", "input_tokens", attempt.input_tokens, call.input_tokens)
        self._same("usage", "output tokens", "output_tokens", attempt.output_tokens, call.output_tokens)
        if attempt.cost_nano_usd is None:
            self._unpriced()
        else:
            self._same("usage", "bill", "cost_nano_usd", attempt.cost_nano_usd, call.billed_nano_usd, money=True)

    def _bounded(self) -> None:
        """What was ended early: the provider may bill between nothing and the record's bound."""
        attempt, call = self._attempt, self._call
        most_tokens = 0 if attempt.target == PAYMENTS else self._record.max_tokens
        if most_tokens is not None:
            self._within("tokens", "output_tokens", most_tokens, call.output_tokens)
        most = 0 if attempt.target == PAYMENTS else attempt.most_nano_usd
        if most is not None:
            self._within("bill", "billed_nano_usd", most, call.billed_nano_usd, money=True)
        elif attempt.cost_nano_usd is None:
            self._unpriced()
        else:
            line = self._into.line("interval", "ended early: bill", "interval", BOTH, "nano_usd")
            self._differs(line, "interval", "most_nano_usd", None, call.billed_nano_usd)

    def _unpriced(self) -> None:
        line = self._into.line("unpriced", "calls of models without a price", "not compared", BOTH)
        line.add(self._record.request_id, service=1, ledger=1)

    def _same(self, rule: str, words: str, what: str, ours: int, theirs: int, *, money: bool = False) -> None:
        line = self._into.line(rule, words, "exact", BOTH, "nano_usd" if money else "tokens")
        line.add(service=ours, ledger=theirs)
        if ours != theirs:
            self._differs(line, rule, what, ours, theirs)

    def _within(self, words: str, what: str, most: int, theirs: int, *, money: bool = False) -> None:
        line = self._into.line("interval", f"ended early: {words}", "interval", BOTH, "nano_usd" if money else "tokens")
        line.add(self._record.request_id, service=most, ledger=theirs)
        if not 0 <= theirs <= most:
            self._differs(line, "interval", what, f"at most {most}", theirs)

    def _differs(self, line: Line, rule: str, what: str, ours: Said, theirs: Said) -> None:
        attempt = self._attempt
        said = ("none" if value is None else value for value in (ours, theirs))
        self._into.differ(
            line,
            Difference(
                rule, what, self._record.request_id, attempt.target, attempt.n, service=next(said), ledger=next(said)
            ),
        )
