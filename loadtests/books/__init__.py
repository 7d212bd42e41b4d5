"""Three independent books of a run, and whether they balance (DESIGN section 5, docs/telemetry.md).

The client writes what it sent and was told, the service what it answered and whom it called, the simulated providers
what reached them. `reconcile.py` compares them by pure functions; read it next, or `run.py` for what load scenarios
use.
"""

from loadtests.books.client import ClientBook, Entry
from loadtests.books.command import Places, balance
from loadtests.books.errors import CannotJudge
from loadtests.books.run import Run

__all__ = ["CannotJudge", "ClientBook", "Entry", "Places", "Run", "balance"]
