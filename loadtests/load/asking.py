"""From an arrival to its requests: copies that go out at once, turns of a thread, orders that are asked for until paid.

Somebody may name another route while it runs; then the bodies name it, whatever was planned.
Read `sender.py` for one request, `following.py` for what is done later, `open_load.py` and `closed_load.py` for when.
"""

import random
import time
from collections.abc import Callable
from dataclasses import replace

import gevent
from gevent.pool import Group

from loadtests.books.client import Entry
from loadtests.load.following import Follower
from loadtests.load.purse import Purse
from loadtests.load.sender import NAMED_BY, Answer, Sender
from loadtests.scenario.arrivals import COMPLETIONS, Arrival
from loadtests.scenario.model import EFFECTS

PAY_TRIES = 10
PAY_PAUSE_S = 0.5
"""Whoever was told 409 or 503 asks again with the same key, after this and a random time more, longer each time."""

PAY_LONGEST_PAUSE_S = 4.0
PAY_LONGEST_HINT_S = 30.0
"""A longer Retry-After is not waited for."""

LONGEST_THREAD = 12
AGAIN = 100
"""Copies that are asked again are numbered from here on."""

Told = Callable[[Entry], None]


class Asker:
    """Turns arrivals into requests; `told` hears of each that ended, `route` says what is asked for instead.

    `webhooks` is where the end of what is done later is told, `gives_up` whether nobody waits for that any more.
    """

    def __init__(
        self,
        sender: Sender,
        purse: Purse,
        told: Told,
        route: Callable[[], str | None],
        *,
        webhooks: str | None = None,
        gives_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._sender = sender
        self._purse = purse
        self._told = told
        self._route = route
        self._webhooks = webhooks
        self._follower = Follower(sender, self._count, told, gives_up)
        self._threads: dict[str, tuple[str | None, int]] = {}
        """Caller -> the thread that waits for its next turn, and how many it had; none while one is under way."""
        self.sent = 0
        self.held = 0
        """Not sent, for they might have cost more than there was."""
        self.broke = False

    def ask(self, arrival: Arrival, due_t: float) -> None:
        """All of its requests, to their end."""
        if arrival.kind in EFFECTS:
            self._effect(arrival, due_t)
            return
        route = self._route()
        if route is not None:
            name = "model" if arrival.path == COMPLETIONS else "route"
            arrival = replace(arrival, body={**arrival.body, name: route})
        if arrival.kind == "thread":
            self._turn(arrival, due_t)
        else:
            self._one(arrival, due_t, dict(arrival.body), 0)

    def _one(self, arrival: Arrival, due_t: float, body: dict[str, object], copy: int) -> Answer | None:
        reserved = self._purse.take()
        if reserved is None:
            self.broke = self.broke or self._purse.is_empty
            self.held += 1
            return None
        self.sent += 1
        answer = self._sender.send(arrival, body, due_t, copy=copy)
        refused = answer.entry.outcome == "refused"  # a 4xx of the service: nobody was called
        self._purse.settle(reserved, 0 if refused else answer.entry.cost_nano_usd)
        self._told(answer.entry)
        return answer

    def _turn(self, arrival: Arrival, due_t: float) -> None:
        """The next turn of the caller's thread; a new one while its last turn is not answered."""
        name = arrival.caller.name
        thread, turns = self._threads.pop(name, (None, 0))
        found = self._one(arrival, due_t, {**arrival.body, **({"thread_id": thread} if thread else {})}, 0)
        known = found.document.get("thread_id") if found else None
        if isinstance(known, str) and turns + 1 < LONGEST_THREAD:
            self._threads[name] = known, turns + 1

    def _count(self) -> None:
        self.sent += 1

    def _effect(self, arrival: Arrival, due_t: float) -> None:
        """Until it is known that it was taken or refused; and what is done later, to its end."""
        name = NAMED_BY.get(arrival.kind)
        if name is None:
            self._until_known(arrival, due_t, dict(arrival.body))
            return
        told = {"webhook_url": self._webhooks} if self._webhooks else {}
        answers = self._until_known(arrival, due_t, {**arrival.body, **told})
        taken = {str(answer.document[name]) for answer in answers if name in answer.document}
        for subject_id in sorted(taken):  # one, unless a key made two
            self._follower.follow(arrival, subject_id)

    def _until_known(self, arrival: Arrival, due_t: float, body: dict[str, object]) -> list[Answer]:
        """The last answers, of all copies or of who asked again; without any where there was no money."""
        copies = Group()
        jobs = [copies.spawn(self._one, arrival, due_t, body, copy) for copy in range(arrival.copies)]
        try:
            copies.join()
        finally:
            copies.kill()  # given up with the order that they are of
        answers = [job.value for job in jobs if job.value]
        chance = random.Random(arrival.request_id())  # noqa: S311 - spreads waits, no secret
        for again in range(PAY_TRIES):
            if not answers or any(_final(answer.entry) for answer in answers):
                break
            told_s = max((answer.retry_after_s or 0.0 for answer in answers), default=0.0)
            pause_s = max(min(PAY_PAUSE_S * 2**again, PAY_LONGEST_PAUSE_S), min(told_s, PAY_LONGEST_HINT_S))
            gevent.sleep(pause_s * (1 + 0.5 * chance.random()))
            found = self._one(arrival, time.time(), body, AGAIN + again)
            answers = [found] if found else []
        return answers


def _final(entry: Entry) -> bool:
    """Paid or taken, or refused for good: whoever hears 409, 429 or a 5xx, or nothing, does not know."""
    return entry.outcome == "answered" or (entry.outcome == "refused" and entry.status not in (409, 429))
