"""Splitting a document, and how many calls its summary takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.tracks.analysis import FAN_IN, grouped, of_part, of_summaries, split, steps_of


def test_a_short_document_is_one_part() -> None:
    assert split("One.\n\nTwo.", part_tokens=100, most_parts=10) == ["One.\n\nTwo."]


def test_parts_end_where_paragraphs_do() -> None:
    paragraphs = [f"paragraph {number} " + "x" * 20 for number in range(6)]
    parts = split("\n\n".join(paragraphs), part_tokens=20, most_parts=10)
    assert len(parts) == 3
    assert "\n\n".join(parts) == "\n\n".join(paragraphs)


def test_a_long_paragraph_is_split_where_sentences_end_and_one_without_any_where_it_must() -> None:
    parts = split("First sentence here. Second one here! Third one?", part_tokens=6, most_parts=10)
    assert parts == ["First sentence here.", "Second one here!", "Third one?"]
    assert split("x" * 100, part_tokens=5, most_parts=10) == ["x" * 20] * 5


def test_of_a_very_long_document_the_parts_are_larger_and_not_more() -> None:
    text = "\n\n".join("words of a paragraph " * 10 for _ in range(500))
    parts = split(text, part_tokens=10, most_parts=7)
    assert len(parts) <= 7
    assert max(map(len, parts)) < 2 * len(text) / 7


@given(text=st.text(alphabet=" ab.\n\u00e9", max_size=400), tokens=st.integers(1, 30), most=st.integers(1, 9))
def test_nothing_is_lost_and_there_are_never_too_many(text: str, tokens: int, most: int) -> None:
    parts = split(text, part_tokens=tokens, most_parts=most)
    assert len(parts) <= most
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(parts)


@pytest.mark.parametrize(("parts", "steps"), [(1, 1), (2, 3), (10, 11), (11, 14), (64, 72), (100, 111)])
def test_the_number_of_steps_is_known_beforehand(parts: int, steps: int) -> None:
    assert steps_of(parts) == steps
    texts, done = ["summary"] * parts, parts
    while len(texts) > 1:
        texts = ["summary" for _ in grouped(texts)]
        done += len(texts)
    assert done == steps


def test_what_is_asked_carries_the_text_and_names_what_it_is_about() -> None:
    asked = of_part("Breakers open. Breakers close. Retries wait.", 2, 5)
    assert asked.startswith("Breakers open.")
    assert asked.endswith("(2/5) about breakers, close, retries?")
    assert "summary one" in of_summaries(["summary one", "summary two"])
    assert [len(group) for group in grouped(["x"] * (FAN_IN + 1))] == [FAN_IN, 1]
    assert "its matter?" in of_part("1 2 3", 1, 1)
