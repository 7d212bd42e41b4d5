"""The agent's refunds: a run that refunded moved the money once, as much as it says, approved by another where need be.

A run's payment has a key made from the run, so that it joins the runs that ended with the ledger's charges, however
many workers took the run up. Read `gather.py` next: how the books are fetched.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from loadtests.books import losses
from loadtests.books.books import Books
from loadtests.books.ends import AgentRun
from loadtests.books.findings import Difference, Line, Reconciliation
from loadtests.books.ledger import Charge
from loadtests.books.service import Record

ENDPOINT = "/agent"
PAYMENTS = "payments"
REFUNDED = "refunded"
IN_DOUBT = "gave_up_in_doubt"
"""The one end of a run that leaves open whether the money moved."""


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
    """The keys of the runs that refunded, or may have."""
    return {run.charge_key for run in books.service.runs if run.charge_key is not None}


def _is_judged(books: Books, run: AgentRun) -> bool:
    """Whether all of it is in both books."""
    first = max(books.since, books.ledger.complete_from)
    return first <= run.created and run.ended <= min(books.until, books.ledger.taken)


def _refunds(into: Reconciliation) -> Line:
    return into.line("runs", "refunds of the agent and charges", "exact", "service ledger")


def _ended(run: AgentRun, charges: Sequence[Charge], into: Reconciliation) -> None:
    name = f"run {run.run_id}"
    if run.outcome == IN_DOUBT and len(charges) <= 1:
        into.line("ambiguous", "runs given up in doubt", "explained", "service ledger").add(
            service=1, ledger=len(charges)
        )
        return
    if run.outcome not in (REFUNDED, IN_DOUBT):
        into.line("runs", "runs that ended without a refund", "exact", "service").add(service=1)
        return
    line = _refunds(into)
    line.add(service=1, ledger=len(charges))
    if len(charges) != 1:
        said = Difference("runs", f"{name}: charges", None, PAYMENTS, service=run.outcome, ledger=len(charges))
        into.differ(line, said)
    elif charges[0].amount != run.amount:
        said = Difference("runs", f"{name}: amount", None, PAYMENTS, service=run.amount, ledger=charges[0].amount)
        into.differ(line, said)
    if run.needed_approval and run.approved_by in (None, run.user):
        whom = "nobody" if run.approved_by is None else "its owner"
        said = Difference("runs", f"{name}: approval", None, PAYMENTS, service=f"above the limit, approved by {whom}")
        into.differ(line, said)


def _without_run(books: Books, records: Sequence[Record], charges: Sequence[Charge], into: Reconciliation) -> None:
    """Money that moved for a run of which no end is known, or one without a refund."""
    last, charge = records[-1], charges[-1]
    if len(charges) == 1 and (instance := losses.of_charge(books.deaths, charge.t, works=True)) is not None:
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
