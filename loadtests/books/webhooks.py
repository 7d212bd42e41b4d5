"""Messages to users' servers: what the service calls delivered was received, and what was received was sent.

Joined on the message id, which is the same at each try. A receiver takes each id once, and a message that comes again
is no difference while its sender counted that try: whoever dies between a try and its record tries again. Messages that
go to other receivers than the simulator's are nobody's here to compare. Read `gather.py` next: how the books are
fetched.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from loadtests.books import losses
from loadtests.books.books import Books
from loadtests.books.ends import Message
from loadtests.books.findings import Difference, Line, Reconciliation
from loadtests.books.ledger import Webhook

TARGET = "webhooks"
BOTH = "service ledger"
DELIVERED = "delivered"
HEARD_WITHIN_S = 5.0
"""A sender waits for an answer longer than this."""


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
    _tries(last, rows, into)
    taken = any(row.is_taken for row in rows)
    if not any(message.outcome == DELIVERED for message in messages):
        _dead(books, last, rows, into)
        return
    line = _deliveries(into)
    line.add(service=1, ledger=int(taken))
    if not taken:
        if books.recent(last.ended):
            into.open.add(last.message_id)
        answers = ", ".join("no answer" if row.status is None else str(row.status) for row in rows) or "never received"
        _differs(line, last.message_id, f"delivered after {last.tries} tries", answers, into)


def _tries(last: Message, rows: Sequence[Webhook], into: Reconciliation) -> None:
    """A try is counted before it is made, so none is received that was not. A dead letter may be tried again later."""
    received = [
        row for row in rows if row.verified and (last.outcome == DELIVERED or row.t <= last.ended + losses.CLOCKS_S)
    ]
    line = into.line("webhooks", "tries of webhooks, and those received", "interval", BOTH)
    line.add(last.message_id, service=last.tries, ledger=len(received))
    if len(received) > last.tries:
        _differs(line, last.message_id, f"tried {last.tries} times", f"received {len(received)} times", into)


def _dead(books: Books, last: Message, rows: Sequence[Webhook], into: Reconciliation) -> None:
    """A dead letter; one that its receiver took, and said so, is none, unless a kill kept the sender from hearing."""
    heard = [row for row in rows if row.is_taken and row.t <= last.ended and _was_heard(books, row)]
    for row in heard:
        if _killed(books, row) is None:
            line = _deliveries(into)
            line.add(service=0, ledger=1)
            said = f"dead after {last.tries} tries"
            _differs(line, last.message_id, said, f"answered {row.status}", into)
            return
    taken = any(row.is_taken for row in rows)
    words = "dead letters that their receiver took, and nobody heard it" if taken else "dead letters"
    into.line("dead", words, "explained", BOTH).add(last.message_id, service=1, ledger=int(taken))


def _was_heard(books: Books, row: Webhook) -> bool:
    """Whether a receiver's answer reached the sender, as far as the ledger knows: no fault, whole, and soon."""
    call = books.webhook_calls.get(row.seq)
    return row.fault is None and (call is None or (call.completed and (call.duration_s or 0.0) < HEARD_WITHIN_S))


def _differs(line: Line, message_id: str, service: str, ledger: str, into: Reconciliation) -> None:
    into.differ(line, Difference("webhooks", f"message {message_id}", None, TARGET, service=service, ledger=ledger))


def _received(books: Books, message_id: str, rows: Sequence[Webhook], is_known: bool, into: Reconciliation) -> None:
    _repeated(books, message_id, sorted((row for row in rows if row.is_taken), key=lambda row: row.t), into)
    false = sum(not row.verified for row in rows)
    if false and is_known:
        _differs(_deliveries(into), message_id, "sent", f"{false} times with a wrong signature", into)
    elif false:
        into.line("foreign", "webhooks with a wrong signature", "not compared", "ledger").add(ledger=false)
    if not is_known and any(row.verified for row in rows):
        _unended(books, message_id, [row for row in rows if row.verified], into)


def _repeated(books: Books, message_id: str, taken: Sequence[Webhook], into: Reconciliation) -> None:
    """Whoever does not hear that a message was taken, or cannot write it down, sends it again; `_tries` counts them."""
    for row in taken[:-1]:
        if not _was_heard(books, row):
            words = "webhooks received again, and taken once: their sender had not heard"
        elif (instance := _killed(books, row)) is not None:
            words = f"webhooks received again, and taken once, after the kill of {instance}"
        else:
            words = "webhooks received again, and taken once: their sender had not written it down"
        into.line("repeated", words, "explained", "ledger").add(message_id, ledger=1)


def _killed(books: Books, row: Webhook) -> str | None:
    """The worker that was killed when it had been answered."""
    call = books.webhook_calls.get(row.seq)
    return losses.of_work(books.deaths, row.t, row.t if call is None else call.ended)


def _unended(books: Books, message_id: str, rows: Sequence[Webhook], into: Reconciliation) -> None:
    """A message was received, and its end is in no record: it waits for its next try, or nobody has sent it."""
    last = max(row.t for row in rows)
    taken = any(row.is_taken for row in rows)
    if not taken or books.recent(last):
        if taken:
            into.open.add(message_id)
        into.line("under_way", "webhooks that are still tried", "not compared", "ledger").add(message_id, ledger=1)
        return
    if (instance := losses.of_work(books.deaths, last, last)) is not None:
        words = f"delivered, and lost by the kill of {instance}"
        into.line("lost", words, "explained", "ledger").add(message_id, ledger=1)
        return
    line = _deliveries(into)
    line.add(ledger=1)
    _differs(line, message_id, "nobody sent it", "received", into)
