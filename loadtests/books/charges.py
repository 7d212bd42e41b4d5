"""Money that moved: each refund that was answered 200 is one charge, whatever was repeated on the way.

The key that goes to the payments provider is a hash of caller and Idempotency-Key, so that it joins the records with
the ledger's charges. The agent's refunds are in `runs.py`: read that next.
"""

from collections import defaultdict
from collections.abc import Sequence

from loadtests.books import losses, runs
from loadtests.books.attempts import PAYMENTS
from loadtests.books.books import OWN_WORK, Books, version
from loadtests.books.findings import Difference, Line, Reconciliation, Said
from loadtests.books.ledger import Charge
from loadtests.books.service import Record

REFUND = "/refund"
OK = 200
SERVER_ERRORS = 499
"""From here on a response leaves open what happened; 499 is a client that left before there was one."""


def compare(books: Books, into: Reconciliation) -> None:
    """Every key of a record, and every charge of the time."""
    charged: dict[str, list[Charge]] = defaultdict(list)
    for charge in books.ledger.charges:
        if charge.idempotency_key is not None:
            charged[charge.idempotency_key].append(charge)
    asked: dict[str, list[Record]] = defaultdict(list)
    for records in books.records.values():
        for record in records:
            _sound(record, into)
            if record.charge_key is not None:
                asked[record.charge_key].append(record)
    for key, records_of_key in asked.items():
        if records_of_key[0].endpoint == runs.ENDPOINT:
            continue  # in `runs.py`
        _once(books, records_of_key, len(charged.get(key, ())), into)
    _one_key_downstream(books, into)
    for charge in unasked(books):
        _unasked(books, charge, into)


def unasked(books: Books) -> list[Charge]:
    """Charges of the time whose key no record names."""
    known = {record.charge_key for records in books.known.values() for record in records} | runs.keys(books)
    of_the_time = (charge for charge in books.ledger.charges if books.since <= charge.t <= books.until)
    return [charge for charge in of_the_time if charge.idempotency_key not in known - {None}]


def _refunds(books: Books, into: Reconciliation) -> Line:
    words = "refunds and charges"
    return into.line("charges", words, "exact", "service ledger" if books.client is None else "client service ledger")


def _sound(record: Record, into: Reconciliation) -> None:
    """What a record alone must say: whoever calls payments has a key, and a stored response calls nobody."""
    calls = sum(attempt.target == PAYMENTS for attempt in record.attempts)
    line = into.line("totals", "cost of all attempts", "exact", "service", "nano_usd")
    if calls and record.charge_key is None:
        into.differ(line, Difference("totals", "charge_key", record.request_id, PAYMENTS, service="none"))
    if calls and record.replayed:
        said = f"replayed, and {calls} calls to payments"
        into.differ(line, Difference("totals", "replayed", record.request_id, PAYMENTS, service=said))


def _once(books: Books, records: Sequence[Record], charges: int, into: Reconciliation) -> None:
    """One key: charged once where a refund was answered, never more often."""
    answered = [record for record in records if record.status == OK and not record.replayed]
    told = [
        entry
        for record in records
        for entry in books.sent.get(record.request_id, ())
        if entry.status == OK and not entry.replayed
    ]
    line = _refunds(books, into)
    shown = (answered or records)[-1]
    if charges > 1 or (answered and charges == 0):
        line.add(client=min(len(told), 1), service=min(len(answered), 1), ledger=charges)
        said: Said = f"{len(answered)} answered 200"
        into.differ(
            line,
            Difference("charges", "charges of one key", shown.request_id, PAYMENTS, service=said, ledger=charges),
        )
    elif answered:
        line.add(client=min(len(told), 1), service=1, ledger=1)
    elif charges:
        _charged_in_vain(records, line, into)


def _charged_in_vain(records: Sequence[Record], line: Line, into: Reconciliation) -> None:
    """A charge whose refund was never answered 200: explained where the end left open what had happened."""
    ambiguous = [record for record in records if record.status >= SERVER_ERRORS or record.outcome == "cancelled"]
    if ambiguous:
        words = "charged by refunds that ended in doubt"
        into.line("ambiguous", words, "explained", "service ledger").add(ambiguous[-1].request_id, service=1, ledger=1)
        return
    line.add(ledger=1)
    last = records[-1]
    into.differ(
        line,
        Difference("charges", "charge", last.request_id, PAYMENTS, service=f"refused, {last.status}", ledger=1),
    )


def _one_key_downstream(books: Books, into: Reconciliation) -> None:
    """A caller's Idempotency-Key goes downstream as one key, or its repetitions would move money again."""
    if books.client is None:
        return
    downstream: dict[tuple[str, str | None, str | None], dict[str, str]] = defaultdict(dict)
    for request_id, entries in books.sent.items():
        for entry, record in zip(entries, books.records.get(request_id, ()), strict=False):
            if entry.key is not None and record.charge_key is not None:
                downstream[entry.key, record.tenant, record.user][record.charge_key] = request_id
            elif entry.status == OK and not entry.replayed and record.endpoint == REFUND:
                line = _refunds(books, into)
                line.add(client=1)
                said = f"key {entry.key}, 200"
                into.differ(
                    line, Difference("charges", "charge_key", request_id, PAYMENTS, client=said, service="none")
                )
    for keys in downstream.values():
        if len(keys) > 1:
            said = f"{len(keys)} keys"
            last = list(keys.values())[-1]
            into.differ(
                _refunds(books, into), Difference("charges", "one key sent as several", last, PAYMENTS, service=said)
            )


def _unasked(books: Books, charge: Charge, into: Reconciliation) -> None:
    """A charge that no record asked for."""
    if charge.idempotency_key is None:
        into.line("foreign", "charges without a key", "not compared", "ledger").add(ledger=1)
        return
    request_id = _whose(books, charge)
    works = None if request_id is None else version(request_id) == OWN_WORK
    if (instance := losses.of_charge(books.deaths, charge.t, works=works)) is not None:
        into.line("lost", f"charged, and lost by the kill of {instance}", "explained", "ledger").add(ledger=1)
        return
    line = _refunds(books, into)
    line.add(ledger=1)
    said = f"{charge.amount} {charge.currency}, key {charge.idempotency_key[:16]}"
    if books.recent(charge.t):
        into.open.add(request_id or charge.idempotency_key)
    into.differ(line, Difference("charges", "charge", request_id, PAYMENTS, service="nobody asked", ledger=said))


def _whose(books: Books, charge: Charge) -> str | None:
    """The one request whose call to payments was under way when this money moved; None when there were several."""
    calls = [call for call in books.ledger.calls if call.target == PAYMENTS and call.t <= charge.t <= call.ended]
    found = {call.request_id for call in calls}
    return found.pop() if len(found) == 1 else None
