"""The verdict as a terminal shows it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from loadtests.scenario import Expectation
from loadtests.verdict.evidence import Generator
from loadtests.verdict.judge import BooksWord, Judged, Verdict, Word
from loadtests.verdict.show import generated, show

PROMISE = Expectation(measure="success_share", at_least=0.9, why="[nothing] is broken")
ROWS = [
    Judged(PROMISE, "share", 0.95, True),
    Judged(PROMISE, "share", 0.5, False),
    Judged(PROMISE, "share", None, None),
]
GENERATOR = Generator(sent=1234, not_sent=5, latest_ms=1500, busy=0.42, processes=2)


def shown(word: Word, books: BooksWord, reason: str | None = None, books_said: str = "") -> str:
    console = Console(file=io.StringIO(), width=140)
    show(Verdict(word, reason, ROWS, books, books_said), GENERATOR, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_each_expectation_is_shown_with_its_bound_what_was_measured_and_why() -> None:
    said = shown("fail", "balanced")
    lines = [line for line in said.splitlines() if "success_share" in line]
    assert [word for line in lines for word in ("PASS", "FAIL", "?") if word in line] == ["PASS", "FAIL", "?"]
    assert all(">= 90 %" in line and "[nothing] is broken" in line for line in lines)
    assert [word in line for line, word in zip(lines, ("95 %", "50 %", "nothing"), strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("word", "books", "reason", "words"),
    [
        ("pass", "balanced", None, ("PASS", "the books balance")),
        ("fail", "differences", None, ("FAIL", "the books do not balance: 2 differences")),
        (
            "unknown",
            "not judged",
            "[it] was stopped",
            ("COULD NOT JUDGE: [it] was stopped", "the books were not judged"),
        ),
    ],
)
def test_the_word_comes_last_with_the_reason(
    word: Word, books: BooksWord, reason: str | None, words: tuple[str, str]
) -> None:
    said = shown(word, books, reason, "2 differences" if books == "differences" else "")
    assert said.splitlines()[-1].strip() == words[0]
    assert words[1] in said


def test_what_the_generator_did_is_a_line() -> None:
    assert generated(GENERATOR) == (
        "the load generator sent 1,234 requests, 5 not sent, the latest 1,500 ms after it was due, "
        "with 42% of a core (busiest of 2)"
    )
    assert "not sent" not in generated(Generator(sent=3))
