"""Messages to users' servers: what the service calls delivered was received, and what was received was sent.

Joined on the message id, which is the same at each try. A receiver takes each id once, so a repetition is counted and
no difference: whoever dies between a try and its record tries again. Messages that go to other receivers than the
simulator's are nobody's here to compare. Read `gather.py` next: how the books are fetched.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from loadtests.books import losses
from loadtests.books.books import Books
from loadtests.books.findings import Difference, Line, Reconciliation
from loadtests.books.ledger import Webhook
from loadtests.books.service import Message

TARGET = "webhooks"
BOTH = "service ledger"
DELIVERED = "delivered"


def compare(books: Books, into: Reconciliation) -> None:
    """Every message that ended, and every one that was received, of the time."""
    received = _by_id(books.ledger.webhooks)
    ended: dict[str, list[Message]] = defaultdict(list)
    for message in books.service.messages:
        ended[message.message_id].append(message)
    for message_id, messages in ended.items():
        if _is_judged(books, messages):
            _ended(books, messages, received.get(message_id, ()), into)
    for message_id, rows in received.items():
        if any(books.since <= row.t <= books.until for row in rows):
            _received(books, message_id, rows, bool(ended.get(message_id)), into)


def unknown(books: Books) -> list[str]:
    """Ids that were received in the time, and of whose end the service's book does not tell."""
    known = {message.message_id for message in books.service.messages}
    received = (row for row in books.ledger.webhooks if books.since <= row.t <= books.until)
    return sorted({row.message_id for row in received if row.message_id is not None} - known)


def _by_id(rows: Sequence[Webhook]) -> Mapping[str, Sequence[Webhook]]:
    found: dict[str, list[Webhook]] = defaultdict(list)
    for row in rows:
        if row.message_id is not None:
            found[row.message_id].append(row)
    return found


def _is_judged(books: Books, messages: Sequence[Message]) -> bool:
    """Whether all that came of it is in both books: it was sent off in the time, and the ledger was taken after."""
    first = max(books.since, books.ledger.complete_from)
    return all(first <= message.t <= books.until and message.ended <= books.ledger.taken for message in messages)


def _deliveries(into: Reconciliation) -> Line:
    return into.line("webhooks", "webhooks delivered", "exact", BOTH)


def _ended(books: Books, messages: Sequence[Message], rows: Sequence[Webhook], into: Reconciliation) -> None:
    last = max(messages, key=lambda message: message.ended)
    if books.ledger.receiver is not None and last.port != books.ledger.receiver:
        into.line("elsewhere", "webhooks to other receivers", "not compared", "service").add(service=1)
        return
    taken = any(row.is_taken for row in rows)
    if not any(message.outcome == DELIVERED for message in messages):
        words = "webhooks that are dead letters, though their receiver has them" if taken else "dead letters"
        into.line("dead", words, "explained", BOTH).add(last.message_id, service=1, ledger=int(taken))
        return
    line = _deliveries(into)
    line.add(service=1, ledger=int(taken))
    if not taken:
        if books.recent(last.ended):
            into.open.add(last.message_id)
        answers = ", ".join("no answer" if row.status is None else str(row.status) for row in rows) or "never received"
        said = f"delivered after {last.tries} tries"
        into.differ(
            line, Difference("webhooks", f"message {last.message_id}", None, TARGET, service=said, ledger=answers)
        )


def _received(books: Books, message_id: str, rows: Sequence[Webhook], is_known: bool, into: Reconciliation) -> None:
    again = sum(row.is_taken for row in rows) - 1
    if again > 0:
        into.line("repeated", "webhooks received again, and taken once", "explained", "ledger").add(
            message_id, ledger=again
        )
    false = sum(not row.verified for row in rows)
    if false and is_known:
        line = _deliveries(into)
        said = f"{false} times with a wrong signature"
        into.differ(line, Difference("webhooks", f"message {message_id}", None, TARGET, service="sent", ledger=said))
    elif false:
        into.line("foreign", "webhooks with a wrong signature", "not compared", "ledger").add(ledger=false)
    if not is_known and any(row.verified for row in rows):
        _unended(books, message_id, [row for row in rows if row.verified], into)


def _unended(books: Books, message_id: str, rows: Sequence[Webhook], into: Reconciliation) -> None:
    """A message was received, and its end is in no record: it waits for its next try, or nobody has sent it."""
    last = max(row.t for row in rows)
    taken = any(row.is_taken for row in rows)
    if not taken or books.recent(last):
        if taken:
            into.open.add(message_id)
        into.line("under_way", "webhooks that are still tried", "not compared", "ledger").add(message_id, ledger=1)
        return
    if (instance := losses.of_charge(books.deaths, last)) is not None:
        words = f"delivered, and lost by the kill of {instance}"
        into.line("lost", words, "explained", "ledger").add(message_id, ledger=1)
        return
    line = _deliveries(into)
    line.add(ledger=1)
    into.differ(
        line,
        Difference("webhooks", f"message {message_id}", None, TARGET, service="nobody sent it", ledger="received"),
    )
