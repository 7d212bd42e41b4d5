"""From three books to what they say of each other; pure functions over what was read.

The rules are in `requests.py` (client against service), `attempts.py` (service against ledger), `charges.py`,
`jobs.py`, `runs.py` and `webhooks.py`; what a kill explains is in `losses.py`. Each rule can fail, and what is not
compared is counted. Read `books.py` next.
"""

from loadtests.books import attempts, charges, jobs, requests, runs, webhooks
from loadtests.books.books import Books
from loadtests.books.findings import Reconciliation


def reconcile(books: Books) -> Reconciliation:
    """Compare everything; nothing is fetched and nothing is waited for."""
    found = Reconciliation()
    if books.client is None:
        found.notes.append("no client's book: the service's book and the provider's ledger are compared")
    for request_id in books.service.redelivered:
        line = found.line("redelivered", "records delivered again, and counted once", "explained", "service")
        line.add(request_id, service=1)
    requests.compare(books, found)
    attempts.compare(books, found)
    charges.compare(books, found)
    jobs.compare(books, found)
    runs.compare(books, found)
    webhooks.compare(books, found)
    if found.differences and books.service.dropped:
        found.notes.append(f"workers say that {books.service.dropped} of their log records never reached the collector")
    return found


def uncovered(books: Books) -> list[str]:
    """The requests of the time that called a provider before the ledger begins: they cannot be judged."""
    begins = books.ledger.complete_from
    return [
        request_id
        for request_id, records in books.records.items()
        if any(record.attempts and record.t < begins for record in records)
    ]
