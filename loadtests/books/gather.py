"""Fetches the books, and waits for what is still on its way: requests under way, telemetry not yet exported.

The service's book is read before the ledger, so that whatever it names is there already. Read `reconcile.py` next.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from loadtests.books import charges, runs, webhooks
from loadtests.books.books import Books
from loadtests.books.client import Entry
from loadtests.books.errors import CannotJudge
from loadtests.books.findings import Reconciliation
from loadtests.books.ledger import LedgerReader, ProviderLedger
from loadtests.books.losses import CLOCKS_S
from loadtests.books.reconcile import reconcile, uncovered
from loadtests.books.service import ServiceBook, ServiceReader

PATIENCE_S = 10.0
POLL_S = 0.5
WAY_BEFORE_S = 1.0
"""The client's clock and the service's are one machine's, but a request is sent before it arrives."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The time that is judged, Unix seconds, and the client's book of it.

    `clip` judges less where the ledger begins later, instead of refusing; `kept` is a ledger that was taken before.
    """

    since: float
    until: float
    client: Sequence[Entry] | None = None
    closed: bool = True
    kept: ProviderLedger | None = None
    clip: bool = False


def judge(
    asked: Asked,
    service: ServiceReader,
    ledger: LedgerReader,
    *,
    patience_s: float = PATIENCE_S,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Books, Reconciliation]:
    """The books and what they say, once nothing is open or after `patience_s` seconds. Raises CannotJudge."""
    deadline = time.monotonic() + patience_s
    while True:
        books = _fetched(asked, service, ledger)
        found = reconcile(books)
        if not found.open or time.monotonic() >= deadline:
            return books, found
        sleep(POLL_S)


def _fetched(asked: Asked, service: ServiceReader, ledger: LedgerReader) -> Books:
    book = _own(service.read(asked.since - WAY_BEFORE_S, asked.until), asked.client)
    provider = asked.kept or ledger.read()
    since = max(asked.since, provider.complete_from) if asked.clip else asked.since
    books = Books(asked.client, book, provider, since, asked.until, time.time(), asked.closed)
    missing = [request_id for request_id in books.sent if request_id not in books.known]
    begun = asked.since - WAY_BEFORE_S
    found = [record for record in service.by_request([*missing, *books.orphans]) if record.ended >= begun]
    books = replace(books, service=_own(book.and_also(found), asked.client))
    keys = [charge.idempotency_key for charge in charges.unasked(books) if charge.idempotency_key is not None]
    more = service.by_charge_key(keys)
    books = replace(books, service=books.service.and_also(more))
    unknown = runs.asked(books).keys() - runs.keys(books)
    ended = service.by_run_key([*unknown, *keys])
    books = replace(books, service=replace(books.service, runs=[*books.service.runs, *ended]))
    told = service.by_message(webhooks.unknown(books))
    books = replace(books, service=replace(books.service, messages=[*books.service.messages, *told]))
    if not book.records and not book.instances and (books.sent or books.orphans):
        raise CannotJudge(
            f"no service has told the collector at {service.url} anything; OTEL_EXPORTER_OTLP_ENDPOINT says where it "
            "tells, and OTEL_SDK_DISABLED must not be true"
        )
    if too_old := uncovered(books):
        begins = time.strftime("%H:%M:%S", time.localtime(provider.complete_from))
        covered_s = max(int(time.time() - provider.complete_from), 1)
        raise CannotJudge(
            f"the provider's ledger begins at {begins}, and {len(too_old)} requests of the time called before that; "
            f"`gauntlet books --since {covered_s}s` judges what it covers"
        )
    return books


def _own(book: ServiceBook, sent: Sequence[Entry] | None) -> ServiceBook:
    """Without the records of earlier runs: a seed makes the same ids in each, and nothing arrives before it is sent."""
    first: dict[str, float] = {}
    for entry in sent or ():
        first[entry.request_id] = min(entry.t, first.get(entry.request_id, entry.t))
    own = [record for record in book.records if record.t >= first.get(record.request_id, 0.0) - CLOCKS_S]
    return replace(book, records=own)
