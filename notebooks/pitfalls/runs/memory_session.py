"""Pitfall 5, the session in memory: questions about what was said before, over two replicas and over a restart.

People tell two facts and ask for each, whichever replica takes it; then both replicas are restarted, as for a new
version, and they ask again. An answer that has the fact knew the conversation. Read `no_timeout.py` next.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean

import aiohttp

from notebooks.pitfalls.load import Answer, Clock, Due, send
from notebooks.pitfalls.result import Check, Figure, Findings, Mark, Strip
from notebooks.pitfalls.rig import App, Side
from notebooks.pitfalls.simulator import Call, Simulator
from notebooks.pitfalls.stage import Seen, Stage, doubts

TAKES_S = 0.05
PATIENCE_S = 10.0
PEOPLE_PER_S, FEWEST, MOST = 5, 12, 40
ROUNDS = ("tell order", "ask order", "tell day", "ask day", "ask order again", "ask day again")
BEFORE_RESTART = 4
SAYING = {"order": "My order number is {order}.", "day": "My delivery day is {day}."}
ASKING = {"order": "What is my order number?", "day": "What is my delivery day?"}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


@dataclass(frozen=True, slots=True)
class Person:
    """Who talks: the facts, when within a round, and what decides who takes each round."""

    name: str
    facts: Mapping[str, str]
    offset: float
    chance: Sequence[float]


class Run:
    """The run."""

    def variables(self, for_s: float) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def planned(self, for_s: float) -> Mapping[str, str]:
        """Nothing."""
        return {}

    async def __call__(self, stage: Stage, client: aiohttp.ClientSession) -> Findings:
        """Four rounds, a restart, two rounds."""
        crowd = people(stage.seed, min(max(round(PEOPLE_PER_S * stage.for_s), FEWEST), MOST))
        step_s = stage.for_s / len(ROUNDS)

        async def one(side: Side) -> Seen:
            simulator = Simulator(side.simulator_url, client)
            await simulator.takes(TAKES_S)
            began_t = time.time()
            answers = await _rounds(client, side, crowd, range(BEFORE_RESTART), step_s)
            await _restarted(side.apps)
            answers += await _rounds(client, side, crowd, range(BEFORE_RESTART, len(ROUNDS)), step_s)
            return Seen(answers, await simulator.calls(began_t), stage.for_s)

        stage.say(f"{len(crowd)} people talk to each form in {stage.for_s:g} s, with a restart in between …")
        return _findings(await stage.each(one), crowd, stage.for_s)


def people(seed: int, count: int) -> list[Person]:
    """So many, the same for the same seed."""
    draw = random.Random(seed)  # noqa: S311 - a conversation, not secrets
    return [
        Person(
            f"person-{number}",
            {"order": str(draw.randrange(10_000, 99_999)), "day": draw.choice(DAYS)},
            draw.random(),
            [draw.random() for _ in ROUNDS],
        )
        for number in range(count)
    ]


async def _rounds(
    client: aiohttp.ClientSession, side: Side, crowd: Sequence[Person], numbers: range, step_s: float
) -> list[Answer]:
    """Each person's turns one after the other; `kind` of an answer is `number of round/person`."""
    clock = Clock()

    async def talk(person: Person) -> list[Answer]:
        answers = []
        for number in numbers:
            verb, topic, *_ = ROUNDS[number].split()
            text = SAYING[topic].format(**person.facts) if verb == "tell" else ASKING[topic]
            at_s = max((number - numbers.start + person.offset) * step_s, clock.now_s)  # after the last answer
            due = Due(at_s, f"{number}/{person.name}", "/chat", {"user": person.name, "text": text})
            app = side.apps[int(person.chance[number] * len(side.apps))]
            answers.append(await send(client, clock, due, lambda app=app: app.url, at_s + PATIENCE_S))  # type: ignore[misc]
        return answers

    return list(chain.from_iterable(await asyncio.gather(*map(talk, crowd))))


async def _restarted(apps: Sequence[App]) -> None:
    await asyncio.gather(*(asyncio.to_thread(app.end) for app in apps))
    for app in apps:
        app.begin()
    await asyncio.gather(*(app.serving() for app in apps))


def knew(answer: Answer, crowd: Mapping[str, Person]) -> bool:
    """Whether the answer to a question has the fact that was asked for."""
    number, name = answer.due.kind.split("/")
    topic = ROUNDS[int(number)].split()[1]
    return answer.ok and crowd[name].facts[topic] in answer.text


def lost_percent(answers: Sequence[Answer], crowd: Mapping[str, Person], rounds: range) -> float:
    """How many of the questions in these rounds were answered without what was said before."""
    asked = [answer for answer in answers if int(answer.due.kind.split("/")[0]) in rounds and _asks(answer)]
    return 100.0 * fmean(not knew(answer, crowd) for answer in asked)


def _asks(answer: Answer) -> bool:
    return ROUNDS[int(answer.due.kind.split("/")[0])].startswith("ask")


def _findings(seen: Mapping[str, Seen], people_: Sequence[Person], for_s: float) -> Findings:
    crowd = {person.name: person for person in people_}
    first, second = range(BEFORE_RESTART), range(BEFORE_RESTART, len(ROUNDS))
    replicas = {form: lost_percent(what.answers, crowd, first) for form, what in seen.items()}
    restart = {form: lost_percent(what.answers, crowd, second) for form, what in seen.items()}
    tokens = {form: _tokens(what.calls) for form, what in seen.items()}
    questions = sum(word.startswith("ask") for word in ROUNDS[:BEFORE_RESTART]) * len(crowd)
    return Findings(
        load=f"{len(crowd)} people, {len(ROUNDS)} turns each, two replicas; both are restarted after turn "
        f"{BEFORE_RESTART}",
        figures=(
            Figure("lost_replicas_percent", "lost on two replicas", "%", replicas),
            Figure("lost_restart_percent", "lost over the restart", "%", restart),
            Figure("input_tokens", "tokens sent with the last question", "", tokens),
        ),
        strip=Strip(
            "answers that knew what was said",
            "%",
            {form: _per_round(what.answers, crowd) for form, what in seen.items()},
            for_s,
            (Mark("restart", BEFORE_RESTART / len(ROUNDS) * for_s, BEFORE_RESTART / len(ROUNDS) * for_s),),
            top=100.0,
        ),
        checks=(
            Check(
                f"before loses {replicas['before']:.0f} % of {questions} questions on two replicas",
                replicas["before"] >= 20,
            ),
            Check(f"before loses {restart['before']:.0f} % over a restart", restart["before"] >= 95),
            Check("after loses none", replicas["after"] == restart["after"] == 0),
            Check(
                "after sends the conversation along: more tokens, says the ledger",
                (tokens["after"] or 0) > (tokens["before"] or 0),
            ),
        ),
        doubts=doubts(seen),
    )


def _tokens(calls: Sequence[Call]) -> float | None:
    """The mean input of the last round's calls: as many as there were in each round."""
    last = calls[-(len(calls) // len(ROUNDS)) :]
    return fmean(call.input_tokens for call in last) if last else None


def _per_round(answers: Sequence[Answer], crowd: Mapping[str, Person]) -> list[float | None]:
    """None while people tell."""
    return [
        None if word.startswith("tell") else 100 - lost_percent(answers, crowd, range(number, number + 1))
        for number, word in enumerate(ROUNDS)
    ]
