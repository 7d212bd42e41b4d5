"""What is done after the answer, followed to its end: asked for with growing pauses, and decided where it waits.

A job or a run of the agent is taken with 202; from then on its sender asks how it stands, as a page would. Where an
agent's proposal waits for an approval, `copies` people decide at the same moment. Nobody asks longer than until some
time after the load has ended: what has not ended by then is not done. Read `asking.py` for who begins it.
"""

import random
import uuid
from collections.abc import Callable

import gevent
from gevent.pool import Group

from loadtests.books.client import Entry
from loadtests.load.sender import NAMED_BY, Answer, Sender, Step
from loadtests.scenario.arrivals import FAMILY, Arrival
from loadtests.scenario.model import ASKED_AT, ENDED

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 3.0
GROWS = 1.4
MOST_ASKED = 1000
SETTLE_S = 60.0
"""How long after the load's end what it began may take: two redeliveries, and the work that waits before them."""

DECISIONS = 1000
"""Requests of an arrival that decide are numbered from here on,"""
ASKED = 10_000
"""and those that ask how it stands from here on."""

WAITING = "waiting"
GONE = 404


class Follower:
    """Follows what one process began. `sends` is told before each request, `told` after it; `gives_up`: no more."""

    def __init__(
        self,
        sender: Sender,
        sends: Callable[[], None],
        told: Callable[[Entry], None],
        gives_up: Callable[[], bool],
    ) -> None:
        self._sender = sender
        self._sends = sends
        self._told = told
        self._gives_up = gives_up

    def follow(self, arrival: Arrival, subject_id: str) -> None:
        """Until it has ended, or is gone, or nobody waits for it any more."""
        chance = random.Random(arrival.request_id())  # noqa: S311 - spreads waits, no secret
        path, endpoint = _places(arrival)
        pause_s, decided = FIRST_PAUSE_S, 0
        for asked in range(MOST_ASKED):
            gevent.sleep(pause_s * (0.75 + 0.5 * chance.random()))
            if self._gives_up():
                return
            step = Step(ASKED + asked, "GET", f"{path}/{subject_id}", endpoint, subject_id)
            entry = self._sent(arrival, step).entry
            if entry.state in ENDED or entry.status == GONE:
                return
            if entry.state == WAITING and arrival.decision is not None:
                self._decide(arrival, subject_id, decided)
                decided += arrival.copies
                pause_s = FIRST_PAUSE_S
            pause_s = min(pause_s * GROWS, LONGEST_PAUSE_S)

    def _decide(self, arrival: Arrival, subject_id: str, first: int) -> None:
        """All of them at once, each with a key of its own. Who is told nothing for sure decides again when it waits."""
        path, endpoint = _places(arrival)

        def one(copy: int) -> None:
            step = Step(
                DECISIONS + copy,
                "POST",
                f"{path}/{subject_id}/resume",
                f"{endpoint}/resume",
                subject_id,
                {"decision": arrival.decision},
                str(uuid.uuid5(FAMILY, f"{subject_id}/{copy}")),  # no other run has this id
                arrival.decision,
            )
            self._sent(arrival, step)

        deciding = Group()
        for copy in range(first, first + arrival.copies):
            deciding.spawn(one, copy)
        try:
            deciding.join()
        finally:
            deciding.kill()

    def _sent(self, arrival: Arrival, step: Step) -> Answer:
        self._sends()
        answer = self._sender.step(arrival, step)
        self._told(answer.entry)
        return answer


def _places(arrival: Arrival) -> tuple[str, str]:
    """Where it is asked for, and what asking how it stands is called in the book."""
    path = ASKED_AT[arrival.kind]
    return path, f"{path}/{{{NAMED_BY[arrival.kind]}}}"
