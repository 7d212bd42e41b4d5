"""What a terminal of 80 columns shows."""

import io

import pytest
from rich.console import Console

from notebooks.pitfalls import all_pitfalls, terminal
from notebooks.pitfalls.result import Mark

from . import made


def console(width: int = 80) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width, highlight=False), out


def test_a_bar_is_as_long_as_its_value_and_the_least_one_shows() -> None:
    assert terminal.bar(1.0, 2.0, 10) == "█████"
    assert terminal.bar(2.0, 2.0, 10) == "█" * 10
    assert terminal.bar(0.001, 2.0, 10) == "▏"
    assert terminal.bar(0.0, 2.0, 10) == ""


def test_columns_tell_nothing_zero_little_half_and_all_apart() -> None:
    assert terminal.columns([None, 0.0, 0.01, 50.0, 100.0], 100.0, rows=2) == ["    █", " ·▁██"]


def test_a_strip_of_few_values_is_stretched_over_all_columns() -> None:
    assert terminal.stretched([1.0, None], bins=4) == [1.0, 1.0, None, None]


def test_marks_stand_above_their_time() -> None:
    assert terminal.marks_line([Mark("503", 2.0, 8.0)], 10.0, bins=20) == "    ├── 503 ───┤"
    assert terminal.marks_line([Mark("restart", 5.0, 5.0)], 10.0, bins=20) == " " * 10 + "▼ restart"
    assert terminal.marks_line([Mark("too long for it", 2.0, 4.0)], 10.0, bins=20) == "    ├──┤"


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    out, written = console(width)
    terminal.show_list(out)
    for pitfall in all_pitfalls():
        terminal.show_beginning(out, pitfall)
    terminal.show(out, made.result(guess=5.0))
    assert max(map(len, written.getvalue().splitlines())) <= width


def test_a_result_tells_number_guess_figures_strip_and_why() -> None:
    out, written = console()
    terminal.show(out, made.result(guess=90.0))
    told = written.getvalue()
    for words in ("360", "guess", "4.0 times what you said", "> 2.5 s", "provider: 503", "▼ noon", "✔ shown", "Why:"):
        assert words in told


def test_what_did_not_show_and_what_cannot_be_judged_say_so() -> None:
    out, written = console()
    terminal.show(out, made.result(holds=False))
    assert "✘ not shown" in written.getvalue()
    out, written = console()
    terminal.show(out, made.result(doubts=["half of the requests went out late"]))
    assert "? not judged" in written.getvalue()
    assert "half of the requests went out late" in written.getvalue()


def test_the_list_names_all_of_them() -> None:
    out, written = console()
    terminal.show_list(out)
    assert all(pitfall.title in written.getvalue() for pitfall in all_pitfalls())
