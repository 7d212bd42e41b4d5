"""The ten items in the chapter's order (section 7), each with its promise in our words and its probe.

A probe takes the scene and adds claims to a case. Those that break providers come last, the worst at the very end; read
`hit_rate.py` for the shortest of them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from loadtests.audit.claims import Case
from loadtests.audit.items import (
    bounded_calls,
    fallback,
    hit_rate,
    idempotency,
    limits,
    personal_data,
    readiness,
    search,
    sessions,
    waiting,
)
from loadtests.audit.scene import Scene

Probe = Callable[[Scene, Case], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the checklist; `breaks`: it breaks providers, which have to recover after it."""

    number: int
    promise: str
    probe: Probe
    breaks: bool = False


ITEMS = (
    Item(1, "Calls to providers have a timeout, retries and a circuit breaker", bounded_calls.probe, breaks=True),
    Item(2, "The cache answers what was asked before, and its hit rate is tracked", hit_rate.probe),
    Item(3, "Limits are per user, also behind one address", limits.probe),
    Item(4, "Endpoints with side effects enforce an Idempotency-Key", idempotency.probe),
    Item(5, "Sessions live outside the process, so that replicas share them", sessions.probe),
    Item(6, "Another provider answers when the first is out", fallback.probe, breaks=True),
    Item(7, "Waiting for a provider blocks nobody", waiting.probe, breaks=True),
    Item(8, "/health touches nothing, /ready looks at the store", readiness.probe, breaks=True),
    Item(9, "A request is found by its id and by its user", search.probe),
    Item(10, "Personal data is neither cached nor logged", personal_data.probe),
)
ORDER = (2, 3, 4, 5, 9, 10, 8, 7, 6, 1)
"""In which they are tried: what leaves circuits open comes last."""
