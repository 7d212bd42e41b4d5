"""Item 7: both halves of the promise in one round, or it is not proved."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadtests.audit.claims import Case, Verdict
from loadtests.audit.items import waiting
from loadtests.audit.items.waiting import _Round
from loadtests.audit.shape import Bounds

BOUNDS = Bounds(at_once=40, wait_s=2.0)
BOTH = _Round(54, 0, 54, 50, 30, 0.1)
SLOW = _Round(54, 0, 54, 50, 30, 1.9)
FEW = _Round(54, 0, 54, 30, 30, 0.1)
NONE_WAITED = _Round(54, 0, 54, 4, 9, 1.9)
TOLD = _Round(54, 54, 0, 0, 1, 0.1)


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        ([BOTH], Verdict.PROVED),
        ([SLOW, FEW, BOTH], Verdict.PROVED),
        ([SLOW, FEW, FEW], Verdict.REFUTED),
        ([FEW, SLOW, SLOW], Verdict.REFUTED),
        ([NONE_WAITED], Verdict.REFUTED),
        ([TOLD], Verdict.UNOBSERVABLE),
    ],
    ids=["both", "both at last", "one and then the other", "the other way round", "nobody waited", "all told 429"],
)
def test_one_round_has_to_show_both(rounds: list[_Round], verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    following = iter(rounds)

    async def play(*_: object) -> _Round:
        return next(following)

    monkeypatch.setattr(waiting, "_round", play)
    case = Case()
    scene = SimpleNamespace(provider=object(), bounds=BOUNDS, shape=SimpleNamespace(health="/health"))
    asyncio.run(waiting.probe(cast("Any", scene), case))
    assert case.verdict is verdict, case.claims
