"""Single-flight within a worker: of all requests for one answer, one leads and the others share what it brings.

A leader that fails for reasons of its own (cancelled, its own limit, its own deadline) hands over to the next waiter,
who leads under its own identity; a failure that would meet everybody is shared. Next: ``cache.py``.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Flight(Generic[T]):
    """One answer under way. ``owner`` names it on the fleet's lease, whoever in this worker leads.

    ``leased``: the store may hold that lease, so it must be given back.
    """

    owner: str
    leased: bool = False
    waiters: deque["asyncio.Future[T | None]"] = field(default_factory=deque)

    def land(self, answer: T) -> None:
        """Give every waiter the answer."""
        for waiter in self._waiting():
            waiter.set_result(answer)

    def fail(self, error: BaseException) -> None:
        """Give every waiter the failure."""
        for waiter in self._waiting():
            waiter.set_exception(error)

    def hand_over(self) -> bool:
        """Make the next waiter the leader; False when there is none."""
        for waiter in self._waiting(most=1):
            waiter.set_result(None)
            return True
        return False

    def _waiting(self, most: int | None = None) -> list["asyncio.Future[T | None]"]:
        live: list[asyncio.Future[T | None]] = []
        while self.waiters and (most is None or len(live) < most):
            waiter = self.waiters.popleft()
            if not waiter.done():
                live.append(waiter)
        return live


class Flights(Generic[T]):
    """The worker's flights by key."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight[T]] = {}

    def join(self, key: str, owner: str) -> tuple[Flight[T], "asyncio.Future[T | None] | None"]:
        """The flight for ``key``, and the future to wait on: None for the one who leads.

        The future brings an answer, raises what the leader met, or brings None: lead now.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = Flight(owner)
            return flight, None
        waiter: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        flight.waiters.append(waiter)
        return flight, waiter

    def close(self, key: str, flight: Flight[T]) -> None:
        """The flight is over: the next request for ``key`` begins another."""
        if self._flights.get(key) is flight:
            del self._flights[key]

    def find(self, key: str) -> Flight[T] | None:
        """The flight under way for ``key``."""
        return self._flights.get(key)
