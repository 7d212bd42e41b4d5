"""What to run. Read `app.py` next: the handlers."""

from dataclasses import dataclass
from typing import Literal

WORKERS = 4
BACKLOG = 4096
"""Connections that may wait to be accepted, of each process."""


@dataclass(frozen=True, slots=True)
class Poc:
    """What to run; `timeout_s` and `max_retries` are the SDK's defaults when None.

    `payments` is the payments provider's URL; without one there is no `/refund`.
    """

    form: Literal["sync", "blocking"]
    upstream: str
    workers: int = WORKERS
    timeout_s: float | None = None
    max_retries: int | None = None
    payments: str | None = None

    @property
    def processes(self) -> int:
        """How many processes serve: the sync form has threads instead."""
        return self.workers if self.form == "blocking" else 1
