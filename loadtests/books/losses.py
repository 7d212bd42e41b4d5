"""Workers that were killed, and what may have been lost with them.

A worker that was ended in order says so. One that did not, and is silent or was replaced, was killed: what it had
recorded after the last record that arrived is lost, since records leave in the order in which requests end. Where it
exported something else later (metrics leave at other moments), the loss begins a few seconds before that. It ends with
the death: the first sign of a replacement, or now. Who answers requests took none of the queue's work along, and who
works through the queue no client's request. Read `requests.py` next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.books.client import Entry
from loadtests.books.ledger import Call
from loadtests.books.service import Instance

SILENT_S = 10.0
"""A living worker exports metrics and logs every few seconds at least."""

EXPORTED_WITHIN_S = 5.0
"""A record is exported well before this while the worker exports at all."""

CLOCKS_S = 0.5
"""Client, worker and simulator see one moment up to this far apart: each notes it when its event loop comes to it."""

LINGER_S = 5.0
"""How long a request may go on after its last call: the deadline of a chat (DESIGN section 3)."""


@dataclass(frozen=True, slots=True)
class Death:
    """A killed worker: what it wrote between `since` and `died` (Unix seconds) is lost. `works` as of its instance."""

    instance: str
    since: float
    died: float
    works: bool | None = None

    def took(self, began: float, ended: float, worker: str | None = None) -> bool:
        """Whether a request of that time, served by that process where it is known, can be among what was lost."""
        if worker is not None and not self.instance.startswith(f"{worker}-"):
            return False
        return began <= self.died + CLOCKS_S and ended >= self.since - CLOCKS_S


def deaths(instances: Sequence[Instance], now: float) -> list[Death]:
    """The workers that were killed."""
    found = []
    for instance in instances:
        if instance.stopped is not None:
            continue
        successors = [
            other.started for other in instances if other.started > instance.last_sign and _may_replace(other, instance)
        ]
        if successors or now - instance.last_sign > SILENT_S:
            since = max(instance.last_record, instance.last_sign - EXPORTED_WITHIN_S)
            found.append(Death(instance.id, since, min(successors, default=now), instance.works))
    return found


def _may_replace(one: Instance, other: Instance) -> bool:
    return None in (one.works, other.works) or one.works == other.works


def of_entry(deaths: Sequence[Death], entry: Entry) -> str | None:
    """The instance that took this request's record along, None when none can have."""
    went_on_s = LINGER_S if entry.outcome in ("left", "lost") else 0.0
    ended = entry.ended + went_on_s
    return _first(deaths, entry.t, ended, works=False, worker=entry.worker)


def of_calls(deaths: Sequence[Death], calls: Sequence[Call], *, works: bool | None) -> str | None:
    """The same where only calls are known. `works`: they are of the queue's work; None: nobody knows."""
    began, ended = min(call.t for call in calls), max(call.ended for call in calls) + LINGER_S
    return _first(deaths, began, ended, works=works)


def of_charge(deaths: Sequence[Death], t: float, *, works: bool | None) -> str | None:
    """The same where only a charge is known."""
    return _first(deaths, t, t + LINGER_S, works=works)


def of_work(deaths: Sequence[Death], began: float, ended: float) -> str | None:
    """The worker that may have taken along what it wrote of the queue's work between these moments."""
    return _first(deaths, began, ended, works=True)


def _first(
    deaths: Sequence[Death], began: float, ended: float, *, works: bool | None, worker: str | None = None
) -> str | None:
    of_kind = (death for death in deaths if works is None or death.works in (None, works))
    return next((death.instance for death in of_kind if death.took(began, ended, worker)), None)
