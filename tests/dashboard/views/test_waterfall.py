"""Where the words and bars of a waterfall stand."""

from __future__ import annotations

from itertools import pairwise

from dashboard.story.attempts import Link
from dashboard.story.steps import Step
from dashboard.views import waterfall

STEPS = [
    Step("server", "POST /chat", "", 0, 1000),
    Step("failed call", "chat claude", "attempt 1: unavailable", 10, 90, 2, 1),
    Step("wait", "", "waited " * 40, 100, 200, 1),
    Step("decision", "", "", 300, None, 30),
    Step("call", "chat gpt", "attempt 2: answered", 880, 120, 2, 2),
]
LINKS = {1: Link("first call", None, ""), 2: Link("retry", 1, "")}


def test_no_words_and_no_bar_stand_on_another() -> None:
    rows, height = waterfall.laid_out(STEPS, LINKS, 1000, waterfall.NARROW)
    drawn = rows[: len(STEPS)]
    for before, after in pairwise(drawn):
        assert before["top"] < before["bar"] < before["foot"] < after["top"]
    assert drawn[-1]["foot"] < height
    for row in drawn:
        lines = row["what"].split("\n")
        assert row["bar"] - row["top"] >= len(lines) * waterfall.LINE_PX
        assert max(map(len, lines)) * waterfall.CHARACTER_PX + row["indent"] <= 68 * waterfall.CHARACTER_PX
    assert len(drawn[2]["what"].split("\n")) > 3


def test_a_duration_stands_where_there_is_room() -> None:
    rows, _ = waterfall.laid_out(STEPS, LINKS, 1000, waterfall.WIDE)
    assert [row.get("side") for row in rows] == ["in", "right", "right", "right", "left", None]
    assert rows[0]["label"] == "1,000.0 ms"
    assert rows[3]["label"] == "at 300 ms"


def test_a_link_goes_from_the_end_of_a_call_to_the_beginning_of_the_next() -> None:
    *rows, link = waterfall.laid_out(STEPS, LINKS, 1000, waterfall.WIDE)[0]
    assert (link["row"], link["from_ms"], link["to_ms"]) == ("retry", 100, 880)
    assert rows[1]["bar"] < link["bar"] < rows[1]["foot"]
    assert rows[4]["bar"] < link["to_bar"] < rows[4]["foot"]


def test_what_took_no_time_can_still_be_seen() -> None:
    (row, *_), _ = waterfall.laid_out([Step("call", "x", "", 5, 0)], {}, 1000, waterfall.WIDE)
    assert row["to_ms"] - row["from_ms"] == 3
    assert waterfall.end_ms([]) == 1
