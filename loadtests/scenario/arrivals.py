"""Which requests a seed makes, and when they are due: the same in every run, whatever the service does with them.

Arrivals of an open load are a Poisson process in *planned work*: the n-th is due when the integral of the rate has
grown to the sum of n exponential draws. So a person may turn the rate while it runs, and the n-th request stays the
same; its id is a UUIDv5 of seed, caller and number, which is what the simulator decides shares by (DESIGN section 5).
Read `loadtests/load/locustfile.py` next: what sends them.
"""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any

from loadtests.scenario import documents, people, questions
from loadtests.scenario.model import AGENT_PATH, EFFECTS, JOBS_PATH, REFUND_PATH, Mix, Scenario
from loadtests.scenario.people import Caller
from loadtests.scenario.timetable import Timetable

FAMILY = uuid.UUID("5a1e0f38-9a0e-5f5c-9a57-3d5f6f6c1d2b")
"""The namespace of our request ids."""

CHAT, STREAM, COMPLETIONS = "/chat", "/chat/stream", "/v1/chat/completions"
HANDBOOK_ROUTE = "handbook"
APPROVE, REJECT = "approve", "reject"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One thing that somebody wants: `due_s` after the run's beginning (0 for closed users, who send when they can).

    `copies` requests go out at once, each with its own id. Of a `thread` turn the thread is known when it is sent. An
    agent's proposal is answered with `decision`.
    """

    number: int
    due_s: float
    caller: Caller
    kind: str
    path: str
    body: dict[str, Any]
    seed: int
    stream: bool = False
    copies: int = 1
    decision: str | None = None

    def request_id(self, copy: int = 0) -> str:
        """The id of its n-th request, the same in every run of the seed."""
        more = f"/{copy}" if copy else ""
        return str(uuid.uuid5(FAMILY, f"{self.seed}/{self.caller.name}/{self.number}{more}"))

    @property
    def key(self) -> str | None:
        """The Idempotency-Key of what has an effect, the same in every run of the seed."""
        if self.kind not in EFFECTS:
            return None
        return (
            f"order-{self.request_id()}"
            if self.kind == "refund"
            else str(uuid.uuid5(FAMILY, f"{self.seed}/{self.caller.name}/{self.number}/key"))
        )


BURSTS = 10_000_000
"""Those that come together when a phase begins are numbered from here on."""
BURST = 100_000


class Arrivals:
    """The requests of one scenario and seed.

    `run`: the mark of this run (`people.new_mark`), for questions whose vectors are kept for all tenants together.
    """

    def __init__(self, scenario: Scenario, seed: int, run: str = "") -> None:
        self._scenario = scenario
        self._seed = seed
        self._run = run
        self.timetable = Timetable(scenario.phase)

    def works(self) -> Iterator[tuple[int, float]]:
        """Number and work of each arrival, without end: it is due when so much work is."""
        chance = random.Random(f"arrivals {self._seed}")  # noqa: S311 - a seeded load, no secret
        work = 0.0
        for number in count():
            work += chance.expovariate(1.0)
            yield number, work

    def bursts(self) -> list[tuple[float, int]]:
        """Due time and number of those that come together."""
        found, begun_s = [], 0.0
        for place, phase in enumerate(self._scenario.phase):
            found += [(begun_s, BURSTS + place * BURST + n) for n in range(phase.at_once)]
            begun_s += phase.for_s
        return found

    def open(self) -> list[Arrival]:
        """All arrivals of an open load as planned, in order of time."""
        due = [
            (self.timetable.when_s(w), n) for n, w in takewhile(lambda x: x[1] <= self.timetable.whole, self.works())
        ]
        return [self.arrival(number, due_s) for due_s, number in sorted([*due, *self.bursts()])]

    def arrival(self, number: int, due_s: float) -> Arrival:
        """The n-th arrival of an open load."""
        chance = random.Random(f"{self._seed}/{number}")  # noqa: S311
        caller = people.chosen(self._scenario.callers, chance)
        return self._made(number, due_s, caller, chance, questions.lettered(number))

    def of_user(self, user: int, number: int) -> Arrival:
        """The n-th request of one user of a closed load."""
        chance = random.Random(f"{self._seed}/{user}/{number}")  # noqa: S311
        caller = people.numbered(self._scenario.callers, user)
        mark = f"{questions.lettered(user)}-{questions.lettered(number)}"
        # A caller may be several users of a closed load: their numbers must not meet.
        return self._made(user * 1_000_000 + number, 0.0, caller, chance, mark)

    def _made(self, number: int, due_s: float, caller: Caller, chance: random.Random, mark: str) -> Arrival:
        mix = self._scenario.mix
        (kind,) = chance.choices(list(mix.shares), list(mix.shares.values()))
        body: dict[str, Any]
        if kind == "refund":
            body = {"charge": f"ch-{mark}", "amount": chance.randrange(100, 20_000), "currency": "usd"}
            return Arrival(number, due_s, caller, kind, REFUND_PATH, body, self._seed, copies=mix.copies)
        if kind == "job":
            body = {"text": documents.document(mark, chance)}
            return Arrival(number, due_s, caller, kind, JOBS_PATH, body, self._seed, copies=mix.copies)
        if kind == "agent":
            body = {"text": questions.refund_wanted(caller.user, chance)}
            decision = APPROVE if chance.random() < mix.approve_share else REJECT
            return Arrival(
                number, due_s, caller, kind, AGENT_PATH, body, self._seed, copies=mix.copies, decision=decision
            )
        path = STREAM if chance.random() < mix.stream_share else CHAT
        text = _text(kind, mix, f"{mark}-{self._run}" if kind == "handbook" and self._run else mark, chance)
        route = mix.route or (HANDBOOK_ROUTE if kind == "handbook" else None)
        if kind != "thread" and chance.random() < mix.openai_share:
            streams = path == STREAM
            body = {"model": route or "default", "messages": [{"role": "user", "content": text}]}
            if streams:
                body |= {"stream": True, "stream_options": {"include_usage": True}}
            return Arrival(number, due_s, caller, kind, COMPLETIONS, body, self._seed, stream=streams)
        body = {"text": text} | ({"route": route} if route else {})
        return Arrival(number, due_s, caller, kind, path, body, self._seed, stream=path == STREAM)


def _text(kind: str, mix: Mix, mark: str, chance: random.Random) -> str:
    if kind == "faq":
        return questions.often_asked(mix.faq_questions, mix.zipf, chance)
    if kind == "handbook":
        return questions.of_handbook(mark, chance)
    if kind == "thread":
        return questions.turn(mark, chance.randrange(len(questions.TURNS)), chance)
    return questions.never_asked(mark, chance)
