"""Faults end with their block, each of them, also when one cannot be ended."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.audit.provider import Provider
from loadtests.books import wire
from loadtests.books.errors import CannotJudge


async def test_all_are_healed_and_what_stays_broken_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def ask(whose: str, url: str, method: str, path: str, body: Any = None) -> Any:
        asked.append((method, path))
        if method == "DELETE" and path.endswith("=one"):
            raise CannotJudge("it is away")

    monkeypatch.setattr(wire, "ask", ask)
    with pytest.raises(CannotJudge, match="one stays broken for 9 s at most: it is away"):
        async with Provider("http://127.0.0.1:9", ("one", "two"), 9.0).broken("hang"):
            pass
    assert asked[-1] == ("DELETE", "/sim/faults?target=two")
