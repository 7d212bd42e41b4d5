"""The agent's refunds: a run that refunded moved the money once, as much as it says, approved where it had to be.

A run's payment has a key made from the run, so that it joins the runs that ended with the ledger's charges, however
many workers took the run up. Read `gather.py` next: how the books are fetched.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from loadtests.books import losses
from loadtests.books.books import Books
from loadtests.books.findings import Difference, Line, Reconciliation
from loadtests.books.ledger import Charge
from loadtests.books.service import AgentRun, Record

ENDPOINT = "/agent"
PAYMENTS = "payments"
REFUNDED = "refunded"
IN_DOUBT = 499
"""From here on a payment's answer leaves open whether the money moved."""


def compare(books: Books, into: Reconciliation) -> None:
    """Every run of the time that ended, and every charge that a run asked for."""
    charged: dict[str, list[Charge]] = defaultdict(list)
    for charge in books.ledger.charges:
        if charge.idempotency_key is not None:
            charged[charge.idempotency_key].append(charge)
    for run in books.service.runs:
        if _is_judged(books, run):
            _ended(run, charged.get(run.charge_key or "", ()), into)
    known = keys(books)
    for key, records in asked(books).items():
        if key not in known and charged.get(key):
            _without_run(books, records, charged[key], into)


def asked(books: Books) -> Mapping[str, Sequence[Record]]:
    """The records of the time in which runs called payments, by the key that they sent."""
    found: dict[str, list[Record]] = defaultdict(list)
    for records in books.records.values():
        for record in records:
            if record.endpoint == ENDPOINT and record.charge_key is not None:
                found[record.charge_key].append(record)
    return found


def keys(books: Books) -> set[str]:
    """The keys of the runs that refunded."""
    return {run.charge_key for run in books.service.runs if run.charge_key is not None}


def _is_judged(books: Books, run: AgentRun) -> bool:
    """Whether all of it is in both books."""
    first = max(books.since, books.ledger.complete_from)
    return first <= run.created and run.ended <= min(books.until, books.ledger.taken)


def _refunds(into: Reconciliation) -> Line:
    return into.line("runs", "refunds of the agent and charges", "exact", "service ledger")


def _ended(run: AgentRun, charges: Sequence[Charge], into: Reconciliation) -> None:
    if run.outcome != REFUNDED:
        into.line("runs", "runs that ended without a refund", "exact", "service").add(service=1)
        return
    line = _refunds(into)
    line.add(service=1, ledger=len(charges))
    name = f"run {run.run_id}"
    if len(charges) != 1:
        into.differ(line, Difference("runs", f"{name}: charges", None, PAYMENTS, service=REFUNDED, ledger=len(charges)))
    elif charges[0].amount != run.amount:
        said = Difference("runs", f"{name}: amount", None, PAYMENTS, service=run.amount, ledger=charges[0].amount)
        into.differ(line, said)
    if run.needed_approval and run.approved_by is None:
        said = Difference("runs", f"{name}: approval", None, PAYMENTS, service="above the limit, approved by nobody")
        into.differ(line, said)


def _without_run(books: Books, records: Sequence[Record], charges: Sequence[Charge], into: Reconciliation) -> None:
    """Money that moved for a run of which no end is known, or one without a refund."""
    last, charge = records[-1], charges[-1]
    if len(charges) == 1 and all(record.status >= IN_DOUBT for record in records):
        words = "charged by runs whose payment ended in doubt"
        into.line("ambiguous", words, "explained", "service ledger").add(last.request_id, service=1, ledger=1)
        return
    if len(charges) == 1 and (instance := losses.of_charge(books.deaths, charge.t)) is not None:
        words = f"charged, and the run's end lost by the kill of {instance}"
        into.line("lost", words, "explained", "ledger").add(last.request_id, ledger=1)
        return
    if books.recent(charge.t):
        into.open.add(last.request_id)
    line = _refunds(into)
    line.add(ledger=len(charges))
    said = f"{charge.amount} {charge.currency}" + (f", {len(charges)} times" if len(charges) > 1 else "")
    into.differ(
        line, Difference("runs", "charge", last.request_id, PAYMENTS, service="no run that refunded", ledger=said)
    )
