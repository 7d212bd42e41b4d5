"""A waterfall in a terminal: it fits, and its bars lie where the time was."""

from __future__ import annotations

import io

from rich.console import Console

from dashboard.story import steps as story
from dashboard.story.steps import Step
from door import waterfall
from tests.dashboard.story.making import SPANS


def lines(steps: list[Step], width: int) -> list[str]:
    page = io.StringIO()
    Console(width=width, file=page).print(waterfall.drawn(steps, width))
    return page.getvalue().splitlines()


def test_a_waterfall_fits_and_its_bars_lie_where_the_time_was() -> None:
    for width in (80, 120):
        drawn = lines(story.of_spans(SPANS), width)
        assert max(map(len, drawn)) <= width
        first, wait, second = (
            next(line for line in drawn if sign in line) for sign in ("chat claude", "░", "chat gpt")
        )
        assert first.index("█") < wait.index("░") < second.index("█")
        assert drawn[0].split()[-2:] == ["ms", "ms"]


def test_a_bar_never_leaves_its_column() -> None:
    deep = [Step("server", "x", "", 0, 10)] + [Step("decision", "y", "w" * 300, 10, None, depth) for depth in range(30)]
    assert max(map(len, lines(deep, 80))) <= 80
    assert lines([Step("server", "x", "", 0, 0)], 80)
