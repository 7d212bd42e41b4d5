"""Item 3: a limit that all share, and that fills up again, serves somebody by chance: no proof of one per user."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadtests.audit.claims import Case, Verdict
from loadtests.audit.items.limits import _beside
from loadtests.audit.scene import Scene
from loadtests.audit.service import Person, Reply

GREEDY, MODEST = Person("greedy", {}), Person("modest", {})
TRIES = 300


class Bucket:
    """A service whose users share one bucket, filled up by `tokens` for each round; who comes first is chance."""

    def __init__(self, tokens: int, seed: int, *, per_user: bool = False) -> None:
        self.tokens = tokens
        self.per_user = per_user
        self.chance = random.Random(seed)  # noqa: S311 - a seeded test
        self.waiting: list[tuple[Person, asyncio.Future[Reply]]] = []

    def question(self) -> str:
        return "?"

    async def ask(self, person: Person, question: str, *, patient: bool) -> Reply:
        loop = asyncio.get_running_loop()
        self.waiting.append((person, loop.create_future()))
        if len(self.waiting) == 1:
            loop.call_later(0, lambda: loop.call_soon(self._serve))  # once all have come
        return await self.waiting[-1][1]

    def _serve(self) -> None:
        waiting, self.waiting = self.waiting, []
        self.chance.shuffle(waiting)
        left = self.tokens
        for person, answer in waiting:
            served = person is MODEST if self.per_user else left > 0
            left -= 1
            answer.set_result(Reply(200 if served else 429, "id"))


def judged(bucket: Bucket, rounds: int = 15) -> Case:
    case = Case()
    scene = cast("Any", SimpleNamespace(service=bucket))
    asyncio.run(_beside(cast("Scene", scene), case, GREEDY, MODEST, rounds))
    return case


@pytest.mark.parametrize("tokens", [1, 3, 6])
def test_a_shared_limit_that_fills_up_again_is_next_to_never_proved(tokens: int) -> None:
    proved = sum(judged(Bucket(tokens, seed)).verdict is Verdict.PROVED for seed in range(TRIES))
    assert proved <= TRIES // 100


def test_a_limit_per_user_is_proved() -> None:
    assert judged(Bucket(0, 1, per_user=True)).verdict is Verdict.PROVED


def test_one_question_beside_it_may_be_luck() -> None:
    case = judged(Bucket(0, 1, per_user=True), rounds=1)
    assert case.verdict is Verdict.UNOBSERVABLE
    assert "9.1 %" in case.claims[0].words
