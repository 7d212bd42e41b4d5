"""After the load: wait until the webhooks of all that has ended have come, for a bounded time.

A receiver that was away is tried again after growing pauses, so the last messages come well after the last answers.
Read `session.py` for when this is.
"""

import time
from collections.abc import Callable
from contextlib import suppress

from loadtests.books import client
from loadtests.books.errors import CannotJudge
from loadtests.books.ledger import LedgerReader
from loadtests.books.run import Run
from loadtests.scenario.model import ENDED
from loadtests.verdict import later

WITHIN_S = 90.0
"""A message that was tried five times in vain, as in half a minute without a receiver, waits 80 s at most."""

POLL_S = 0.5


def settle(run: Run, *, within_s: float = WITHIN_S, sleep: Callable[[float], None] = time.sleep) -> None:
    """Return when nothing is missing any more, or it has taken too long: what is missing then, a measure will say."""
    lines = client.read(run.folder)
    expected = later.told(lines.entries, ENDED) if lines else set()
    reader = LedgerReader(run.simulator, run.ledger_seq)
    until = time.monotonic() + within_s
    with suppress(CannotJudge):  # whoever reads it next says so
        while expected - {one.subject_id for one in reader.read().webhooks if one.is_taken and later.tells_end(one)}:
            if time.monotonic() > until:
                return
            sleep(POLL_S)
