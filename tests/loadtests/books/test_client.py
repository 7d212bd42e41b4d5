"""The client's book: one line per request, whole lines only, and what a kill leaves behind is read all the same."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.books.client import NAME, ClientBook, Entry, read
from loadtests.books.errors import CannotJudge

ENTRY = Entry("5b1f", 1700000000.25, 12.5, "/chat", 200, "answered", worker="7", degraded=("anthropic:unavailable",))

DOCUMENTED = (
    "request_id t duration_ms first_token_ms endpoint stream status outcome source degraded input_tokens output_tokens "
    "cost_nano_usd worker key replayed kind callers cited subject_id state created decision"
)


def test_a_line_has_exactly_the_documented_fields(tmp_path: Path) -> None:
    with ClientBook(tmp_path) as book:
        book.write(ENTRY)
    (line,) = (tmp_path / NAME).read_text().splitlines()
    assert set(json.loads(line)) == set(DOCUMENTED.split())
    documentation = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text()
    table = documentation.split("## The client's book")[1].split("## ")[0]
    assert all(f"`{name}`" in table for name in DOCUMENTED.split())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    with ClientBook(tmp_path) as book:
        book.write(ENTRY)
        book.write(replace(ENTRY, status=None, outcome="lost", cost_nano_usd=10**15))
    lines = read(tmp_path)
    assert lines is not None
    assert lines.broken == []
    assert lines.entries == [ENTRY, replace(ENTRY, status=None, outcome="lost", cost_nano_usd=10**15)]
    assert lines.entries[0].ended == 1700000000.2625


def test_what_was_asked_for_whom_is_kept_and_may_be_missing_in_older_books(tmp_path: Path) -> None:
    with ClientBook(tmp_path) as book:
        book.write(replace(ENTRY, kind="faq", callers="acme"))
        book.write(ENTRY)
    older = json.loads((tmp_path / NAME).read_text().splitlines()[1])
    del older["kind"], older["callers"]
    with (tmp_path / NAME).open("a") as file:
        file.write(json.dumps(older) + "\n")
    lines = read(tmp_path)
    assert lines is not None
    assert [(entry.kind, entry.callers) for entry in lines.entries] == [("faq", "acme"), (None, None), (None, None)]


def test_a_line_is_there_once_it_was_written_and_a_second_writer_adds_to_it(tmp_path: Path) -> None:
    with ClientBook(tmp_path) as first, ClientBook(tmp_path) as second:
        first.write(ENTRY)
        second.write(ENTRY)
        assert len((tmp_path / NAME).read_bytes().splitlines()) == 2


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    def write(book: ClientBook, thread: int) -> None:
        for number in range(50):
            book.write(replace(ENTRY, request_id=f"{thread}-{number}", endpoint="/" + "x" * 500))

    with ClientBook(tmp_path) as book:
        threads = [threading.Thread(target=write, args=(book, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = read(tmp_path)
    assert lines is not None
    assert len({entry.request_id for entry in lines.entries}) == 400


@pytest.mark.parametrize("rest", [b'{"request_id": "6a', b'{"request_id": 5}', b"\xff\xfe", b"[]"])
def test_a_broken_last_line_is_told_and_the_others_are_read(tmp_path: Path, rest: bytes) -> None:
    with ClientBook(tmp_path) as book:
        book.write(ENTRY)
    with (tmp_path / NAME).open("ab") as file:
        file.write(rest)
    lines = read(tmp_path)
    assert lines is not None
    assert (lines.entries, lines.broken) == ([ENTRY], [2])


def test_a_later_version_may_know_more_fields(tmp_path: Path) -> None:
    line = {
        "request_id": "a",
        "t": 1,
        "duration_ms": 2,
        "endpoint": "/",
        "status": 200,
        "outcome": "answered",
        "new": 1,
    }
    (tmp_path / NAME).write_text(json.dumps(line) + "\n")
    lines = read(tmp_path)
    assert lines is not None
    assert lines.entries[0].outcome == "answered"


def test_a_book_that_cannot_be_opened_is_no_empty_book(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(CannotJudge, match=r"client\.jsonl"):
        read(tmp_path)
