"""Markdown of any kind becomes passages that say where they stand."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Unprocessable
from service.retrieval.corpus import shipped
from service.retrieval.passages import MOST_BYTES, MOST_CHARACTERS, MOST_HEADING, MOST_WORDS, Passage, passages_of


def test_a_section_is_a_passage_with_its_headings_as_title_and_githubs_anchor() -> None:
    text = "# Retries\n\nAbove.\n\n## Why *jitter*?\n\nBecause of\nthe herd.\n\n### Details: a-b_c\n\nMore.\n"
    assert passages_of("a/b.md", text) == [
        Passage("a/b.md", "retries", "Retries", "Above."),
        Passage("a/b.md", "why-jitter", "Retries › Why *jitter*?", "Because of the herd."),
        Passage("a/b.md", "details-a-b_c", "Retries › Why *jitter*? › Details: a-b_c", "More."),
    ]


def test_headings_nest_and_the_second_of_one_name_has_an_anchor_of_its_own() -> None:
    found = passages_of("x.md", "# A\n## B\none\n## C\n### B\ntwo\n# D\n## B\nthree")
    assert [(p.title, p.anchor) for p in found] == [("A › B", "b"), ("A › C › B", "b-1"), ("D › B", "b-2")]
    assert len({p.id for p in found}) == 3


def test_what_only_looks_like_a_heading_is_none() -> None:
    text = "# T\n\n```sh\n# a comment\n\n## another\n```\n\n~~~\n# x\n```\n~~~\n\n    # indented code\n\n#hashtag\n"
    [one] = passages_of("x.md", text)
    assert "# a comment\n\n## another" in one.text
    assert "#hashtag" in one.text


def test_underlined_headings_count_and_rules_do_not() -> None:
    text = "Title\n=====\n\nfirst\n\nSecond\n---\nbody\n\n- item\n---\n\nlast"
    assert [p.title for p in passages_of("x.md", text)] == ["Title", "Title › Second"]


def test_front_matter_is_left_out_and_a_text_without_headings_is_called_after_its_file() -> None:
    assert passages_of("docs/notes.md", "---\ntitle: x\n# y\n---\nJust text.") == [
        Passage("docs/notes.md", "", "notes", "Just text.")
    ]


@pytest.mark.parametrize("text", ["word " * 900, "A sentence of five words. " * 150, "A paragraph here.\n\n" * 300])
def test_a_long_section_is_cut_into_pieces_of_which_none_is_lost(text: str) -> None:
    found = passages_of("x.md", f"# Long\n\n{text}")
    assert len(found) > 1
    assert all(len(p.text.split()) <= MOST_WORDS for p in found)
    assert " ".join(p.text for p in found).split() == text.split()
    assert [p.part for p in found] == list(range(1, len(found) + 1))
    assert len({p.id for p in found}) == len(found)


@pytest.mark.parametrize("text", ["x" * 300_000, "重试预算有多大？" * 3_000, "`" + "a b" * 2_000, "|" + "y" * 5_000])
def test_what_has_no_words_is_cut_by_its_characters(text: str) -> None:
    found = passages_of("x.md", f"# Long\n\n{text}")
    assert all(len(p.text) <= MOST_CHARACTERS for p in found)
    assert "".join(p.text for p in found).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("line", ["# a" + " " * 100_000 + "b", "# " + "[" * 100_000, "[" * 100_000 + "\n---"])
def test_a_line_that_is_too_long_for_a_heading_is_none_and_takes_no_time(line: str) -> None:
    began_s = time.process_time()
    found = passages_of("x.md", f"Text.\n\n{line}\n")
    assert {p.title for p in found} == {"x"}
    assert time.process_time() - began_s < 1


@pytest.mark.parametrize(
    "text",
    [
        ("# a" + " " * (MOST_HEADING - 4) + "b\n") * 2_000,
        ("# " + "[" * (MOST_HEADING - 2) + "\n") * 2_000,
        ("# " + "[](" * (MOST_HEADING // 3 - 1) + "\n") * 2_000,
        "~" * 1_000_000 + "`\n",
        "`" * 1_000_000 + "x`\n",
        "a\n" * 500_000,
        "# A\n" * 50_000,
    ],
    ids=["blanks", "brackets", "links", "tildes", "backticks", "lines", "headings"],
)
def test_a_document_of_any_content_takes_time_by_its_length_alone(text: str) -> None:
    began_s = time.process_time()
    passages_of("x.md", text)
    assert time.process_time() - began_s < 5  # what grows with the square takes from 8 s to hours


def test_a_heading_below_a_long_line_is_one_and_a_long_line_is_not_underlined() -> None:
    long = "word " * 120
    assert [p.title for p in passages_of("x.md", f"# A\n\n{long}\n## B\ntext\n\n{long}\n---\nmore")] == ["A", "A › B"]


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("## Closed ##", "Closed"), ("# C#", "C#"), ("# a # b", "a # b"), ("#\tTab \t#\t", "Tab"),
        ("# [a](b) c", "a c"), ("   # Three", "Three"), ("# ###", "x"), ("###### Six", "Six"),
        ("####### Seven", "x"), ("#", "x"),
    ],
)  # fmt: skip
def test_the_words_of_a_heading(line: str, title: str) -> None:
    [one] = passages_of("x.md", f"{line}\ntext")
    assert one.title == title


def test_an_anchor_that_is_taken_is_counted_on_as_github_does() -> None:
    found = passages_of("x.md", "above\n# A\n1\n# A\n2\n# A 1\n3\n# A\n4\n# ???\n5\n# !\n6")
    assert [p.anchor for p in found] == ["", "a", "a-1", "a-1-1", "a-2", "-1", "-2"]


@given(st.lists(st.sampled_from(["", "# A", "# A 1", "# A-1", "# A 1 1", "## a", "# ?", "# 1", "# -1", "text"])))
def test_no_two_passages_of_a_document_have_one_id(lines: list[str]) -> None:
    found = passages_of("x.md", "\n".join(f"{line}\ntext" for line in lines))
    assert len({p.id for p in found}) == len(found)


@pytest.mark.parametrize("text", ["", " \n\n", "# only\n\n## headings\n", "---\ntitle: x\n---\n"])
def test_a_document_without_text_has_no_passages(text: str) -> None:
    assert passages_of("x.md", text) == []


def test_lists_and_tables_keep_their_lines_and_windows_line_ends_are_ends() -> None:
    [one] = passages_of("x.md", "# T\r\n\r\n- a\r\n  b\r\n- c\r\n\r\n| x | y |\r\n| 1 | 2 |\r\n")
    assert one.text == "- a b\n- c\n\n| x | y |\n| 1 | 2 |"


@pytest.mark.parametrize(
    ("text", "words"),
    [("x" * (MOST_BYTES + 1), "split it"), ("a\0b", "NUL")],
)
def test_what_cannot_be_indexed_is_refused_with_its_name(text: str, words: str) -> None:
    with pytest.raises(Unprocessable, match=words) as refused:
        passages_of("folder/file.md", text)
    assert refused.value.message.startswith("folder/file.md: ")


def test_the_hash_tells_a_change_of_text_or_title() -> None:
    one = Passage("x.md", "a", "A", "text")
    assert one.sha256 == Passage("y.md", "b", "A", "text").sha256
    assert len({one.sha256, Passage("x.md", "a", "B", "text").sha256, Passage("x.md", "a", "A", "texts").sha256}) == 3


def test_the_shipped_handbook_is_found_and_has_its_passages() -> None:
    found = [p for document in shipped() for p in passages_of(document.path, document.text)]
    assert 30 <= len(found) <= 60
    assert len({p.id for p in found}) == len(found)
    assert "handbook/08-retrieval.md#reranking-the-candidates" in {p.id for p in found}
