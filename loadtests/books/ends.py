"""What the service's book says of things that took longer than a request: a job, a run of the agent, a message.

One line for the end of each, in a view of the collector (docs/telemetry.md). Read `ledger.py` next: the third book.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Message:
    """The end of a message to a user's server, `delivered` or `dead`, sent off at `t`; times in Unix seconds.

    `receiver` is host and port of its URL.
    """

    message_id: str
    outcome: str
    tries: int
    t: float
    ended: float
    receiver: str

    @property
    def port(self) -> int | None:
        """The receiver's."""
        port = self.receiver.rpartition(":")[2]
        return int(port) if port.isdigit() else None


@dataclass(frozen=True, slots=True)
class AgentRun:
    """A run of the agent that ended; `amount` in minor units, null where nothing was refunded.

    `charge_key` is null where nothing can have been; `user` is the owner, by the same hash as `approved_by`.
    """

    run_id: str
    outcome: str
    needed_approval: bool
    approved_by: str | None
    amount: int | None
    charge_key: str | None
    created: float
    ended: float
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job that ended `completed`, `failed` or `cancelled`; `cost_nano_usd` is null when a call has no price."""

    job_id: str
    outcome: str
    cost_nano_usd: int | None
    created: float
    ended: float


@dataclass(frozen=True, slots=True)
class Ends(Generic[T]):
    """How a view is read: `columns` make a `row`; by `time` and `id` one page follows the other."""

    view: str
    columns: str
    time: str
    id: str
    row: Callable[..., T]


MESSAGES = Ends(
    "webhooks",
    "message_id, outcome, tries, t, epoch(time), coalesce(receiver, '')",
    "epoch(time)",
    "message_id",
    Message,
)
RUNS = Ends(
    "agent_runs",
    'run_id, outcome, coalesce(needed_approval, false), approved_by, amount, charge_key, created, ended, "user"',
    "ended",
    "run_id",
    AgentRun,
)
JOBS = Ends("jobs", "job_id, outcome, cost_nano_usd, created, ended", "ended", "job_id", Job)


def read(kind: Ends[T], condition: str, ask: Callable[[str], dict[str, Any]], page_rows: int) -> list[T]:
    """All of a kind that meet an SQL condition, page by page. `ask` puts the question to the collector."""
    found: list[T] = []
    after, more = (-1.0, ""), True
    while more:
        answer = ask(
            f"select {kind.time} as page_time, {kind.id} as page_id, {kind.columns} "  # noqa: S608 - names of ours
            f"from {kind.view} where {kind.id} is not null and {condition} "
            f"and ({kind.time}, {kind.id}) > ({after[0]!r}, {quoted(after[1])}) "
            f"order by page_time, page_id limit {page_rows}"
        )
        rows = answer["rows"]
        found += (kind.row(*row[2:]) for row in rows)
        more = answer["truncated"] or len(rows) == page_rows
        if rows:
            after = (rows[-1][0], rows[-1][1])
    return found


def quoted(value: str) -> str:
    """As a string of SQL."""
    return "'" + value.replace("'", "''") + "'"
