"""Client against service: each sent request has exactly one record, and it says what the client was told.

Read `attempts.py` next: service against ledger.
"""

from itertools import zip_longest

from loadtests.books import losses
from loadtests.books.books import OWN_WORK, Books, version
from loadtests.books.client import Entry
from loadtests.books.findings import Difference, Line, Reconciliation, Said
from loadtests.books.money import usd
from loadtests.books.service import Record

BOTH = "client service"
HONEST = "message"
"""The source of an answer that only says that there is none."""
MEANS = {
    "answered": ("answered", "degraded"),
    "refused": ("refused",),
    "failed": ("failed", "unavailable"),
    "broken": ("broken",),
}
"""The client's word -> the record's words for the same. What the client left, or what broke, may have any end."""


def compare(books: Books, into: Reconciliation) -> None:
    """Every request of the time; without a client's book the records are only counted, and must add up."""
    for request_id, records in books.records.items():
        for record in records:
            _adds_up(record, into)
        if books.client is None:
            words = "requests, with no client's book to compare"
            into.line("requests", words, "not compared", "service").add(service=len(records))
        elif request_id not in books.sent:
            for record in records:
                _unsent(books, record, into)
    for request_id, entries in books.sent.items():
        for entry, record in zip_longest(entries, books.records.get(request_id, ())):
            if entry is None:
                assert record is not None  # noqa: S101 - zip_longest has one of them
                _one_too_many(record, len(entries), into)
            elif record is None:
                _unrecorded(books, entry, into)
            else:
                _pair(entry, record, into)


def _requests(into: Reconciliation) -> Line:
    return into.line("requests", "requests", "exact", BOTH)


def _one_too_many(record: Record, sent: int, into: Reconciliation) -> None:
    line = _requests(into)
    line.add(service=1)
    into.differ(line, Difference("requests", "requests of one id", record.request_id, client=sent, service=sent + 1))


def _unsent(books: Books, record: Record, into: Reconciliation) -> None:
    """A record of a request that is not in the client's book."""
    if version(record.request_id) == OWN_WORK:
        words = "steps of the service's own work, with no client"
        into.line("work", words, "not compared", "service").add(service=1)
        return
    if version(record.request_id) not in books.client_versions:
        into.line("strangers", "requests of other callers", "not compared", "service").add(service=1)
        return
    if not books.closed and record.ended >= books.client_ended - losses.CLOCKS_S:
        words = "under way when the client's book broke off"
        into.line("unclosed", words, "explained", "service").add(record.request_id, service=1)
        return
    line = _requests(into)
    line.add(service=1)
    into.differ(
        line,
        Difference("requests", "request", record.request_id, client="not sent", service=f"answered {record.status}"),
    )


def _unrecorded(books: Books, entry: Entry, into: Reconciliation) -> None:
    """A line of the client without a record."""
    instance = losses.of_entry(books.deaths, entry)
    reached = entry.status is not None or entry.worker is not None or entry.request_id in books.calls
    if books.recent(entry.ended):
        into.open.add(entry.request_id)
    if instance is not None:
        line = into.line("lost", f"lost by the kill of {instance}", "explained", "client service ledger")
        line.add(entry.request_id, client=1, ledger=len(books.orphans.get(entry.request_id, ())))
        return
    if entry.outcome in ("lost", "left") and not reached:
        # A client that leaves at once may be gone before the service has read anything of it.
        words = "sent in vain: no status, no record, no call"
        into.line("unreached", words, "not compared", "client").add(entry.request_id, client=1)
        return
    line = _requests(into)
    line.add(client=1)
    said = f"{entry.outcome}, status {_or_none(entry.status)}"
    into.differ(line, Difference("requests", "record", entry.request_id, client=said, service="no record"))


def _pair(entry: Entry, record: Record, into: Reconciliation) -> None:
    _requests(into).add(client=1, service=1)
    line = into.line("outcomes", _words(entry), "exact", BOTH)
    line.add(client=1)
    before = len(into.differences)

    def same(what: str, told: Said, kept: Said, *, line: Line = line, rule: str = "outcomes") -> None:
        if told != kept:
            said = Difference(rule, what, entry.request_id, client=_or_none(told), service=_or_none(kept))
            into.differ(line, said)

    if entry.worker is not None:
        same("worker", entry.worker, record.instance.partition("-")[0])
    if entry.status is not None:
        same("status", entry.status, record.status)
        same("replayed", str(entry.replayed), str(record.replayed))
    if not _agree(entry, record):
        same("outcome", entry.outcome, record.outcome)
    if entry.source is not None:
        same("source", entry.source, record.source)
        same("degraded", ", ".join(sorted(entry.degraded)), ", ".join(sorted(record.degraded)))
    if len(into.differences) == before:
        line.add(service=1)
    answering = record.answering
    for what, told, kept, unit in (
        ("input_tokens", entry.input_tokens, sum(attempt.input_tokens for attempt in answering), "tokens"),
        ("output_tokens", entry.output_tokens, sum(attempt.output_tokens for attempt in answering), "tokens"),
        ("cost_nano_usd", entry.cost_nano_usd, record.cost_nano_usd, "nano_usd"),
    ):
        if told is not None:
            words = "cost as told" if unit == "nano_usd" else "tokens as told"
            sums = into.line("told", words, "exact", BOTH, "nano_usd" if unit == "nano_usd" else "tokens")
            sums.add(client=told, service=kept or 0)
            same(what, told, kept, line=sums, rule="told")


def _agree(entry: Entry, record: Record) -> bool:
    """Whether both describe one end. Where no status came, or the client left, the service may have seen any."""
    if entry.outcome == "left" or (entry.outcome == "lost" and entry.status is None):
        return True
    if entry.outcome == "lost":
        return record.outcome not in MEANS["answered"]
    if entry.outcome == "answered" and entry.source == HONEST:
        return record.outcome == "unavailable"  # a stream that broke, and nobody could go on with it
    return record.outcome in MEANS[entry.outcome]


def _words(entry: Entry) -> str:
    return {"left": "left by the client", "lost": "connection lost"}.get(entry.outcome, entry.outcome)


def _adds_up(record: Record, into: Reconciliation) -> None:
    """A record's totals are the sums of its attempts; the cost is null when one has no price."""
    attempts = record.attempts
    unpriced = sum(attempt.cost_nano_usd is None for attempt in attempts)
    cost = None if unpriced else sum(attempt.cost_nano_usd or 0 for attempt in attempts)
    line = into.line("totals", "cost of all attempts", "exact", "service", "nano_usd")
    line.add(service=record.cost_nano_usd or 0)
    for what, total, of_attempts in (
        ("input_tokens", record.input_tokens, sum(attempt.input_tokens for attempt in attempts)),
        ("output_tokens", record.output_tokens, sum(attempt.output_tokens for attempt in attempts)),
        ("cost_nano_usd", record.cost_nano_usd, cost),
        ("unpriced", record.unpriced, unpriced),
    ):
        if total != of_attempts:
            said = f"{_shown(what, total)}, its attempts {_shown(what, of_attempts)}"
            into.differ(line, Difference("totals", what, record.request_id, service=said))


def _shown(what: str, amount: int | None) -> str:
    if amount is None:
        return "none"
    return usd(amount) if what == "cost_nano_usd" else str(amount)


def _or_none(value: Said) -> Said:
    return "none" if value is None else value
