"""Single-flight within a worker: of all requests for one answer, one leads and the others share what it brings.

A leader that fails for reasons of its own (cancelled, its own limit, its own deadline) hands over to the next waiter,
who leads under its own identity; a failure that would meet everybody is shared. An answer that comes as a stream is
given to those who can follow it as soon as it has begun. Next: ``cache.py``.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Waiter(NamedTuple, Generic[T]):
    """Who waits, and the form of stream that it could follow (empty: none)."""

    future: "asyncio.Future[T | None]"
    follows: str


@dataclass(slots=True)
class Flight(Generic[T]):
    """One answer under way. ``owner`` names it on the fleet's lease, whoever in this worker leads.

    ``leased``: the store may hold that lease, so it must be given back. ``until_s`` is when its leader has an answer or
    gives up, ``form`` that of the stream which that answer then only begins (empty: it is whole). ``begun`` is the
    stream that may be followed.
    """

    owner: str
    leased: bool = False
    until_s: float = 0.0
    form: str = ""
    begun: T | None = None
    waiters: deque["Waiter[T]"] = field(default_factory=deque)

    def lead(self, until_s: float, form: str) -> None:
        """A leader begins: the first one, or whom it was handed over to."""
        self.until_s, self.form = until_s, form

    def brings_by(self, until_s: float, follows: str) -> bool:
        """Whether the leader has something by ``until_s`` for one who ``follows`` streams of this form, or none."""
        return self.until_s <= until_s and self.form in ("", follows)

    def begin(self, stream: T) -> None:
        """The answer comes as a stream: who follows its form has it now, the others wait for its end."""
        self.begun = stream
        waiters, self.waiters = self.waiters, deque()
        for waiter in waiters:
            if waiter.follows != self.form:
                self.waiters.append(waiter)
            elif not waiter.future.done():
                waiter.future.set_result(stream)

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
        self.begun = None
        for waiter in self._waiting(most=1):
            waiter.set_result(None)
            return True
        return False

    def _waiting(self, most: int | None = None) -> list["asyncio.Future[T | None]"]:
        live: list[asyncio.Future[T | None]] = []
        while self.waiters and (most is None or len(live) < most):
            waiter = self.waiters.popleft()
            if not waiter.future.done():
                live.append(waiter.future)
        return live


class Flights(Generic[T]):
    """The worker's flights by key."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight[T]] = {}

    def join(self, key: str, owner: str, follows: str = "") -> tuple[Flight[T], "asyncio.Future[T | None] | None"]:
        """The flight for ``key``, and the future to wait on: None for the one who leads.

        The future brings an answer, or its stream where that has the form that one ``follows``; raises what the leader
        met; or brings None: lead now.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = Flight(owner)
            return flight, None
        future: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        if flight.begun is not None and flight.form == follows:
            future.set_result(flight.begun)
        else:
            flight.waiters.append(Waiter(future, follows))
        return flight, future

    def close(self, key: str, flight: Flight[T]) -> None:
        """The flight is over: the next request for ``key`` begins another."""
        if self._flights.get(key) is flight:
            del self._flights[key]
