"""The book and its tables: goals are judged by medians, failures are told, and nothing is lost."""

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from loadtests.bench.report import Book, Column, Goal, Layout

TIMES = Column("× bare", "req_per_s", 2, "bare")
LAYOUT = Layout(
    "throughput",
    "throughput",
    (Column("req/s", "req_per_s"), TIMES),
    (Goal("misses × bare", "ours", TIMES, at_least=1.6),),
)


def shown(book: Book) -> str:
    page = io.StringIO()
    book.show(LAYOUT, Console(width=100, file=page))
    return page.getvalue()


def book_of(tmp_path: Path, ours: list[float], failed_pct: float = 0.0) -> Book:
    book = Book(tmp_path / "deep" / "results.jsonl")
    for number, rate in enumerate(ours):
        book.add("throughput", "bare", number, {"req_per_s": 100.0 + number, "failed_pct": 0.0})
        book.add("throughput", "ours", number, {"req_per_s": rate, "failed_pct": failed_pct})
    return book


def test_a_goal_is_judged_by_the_median_of_ratios_paired_by_round(tmp_path: Path) -> None:
    text = shown(book_of(tmp_path, [200.0, 101.0, 306.0]))
    assert "goal: misses × bare >= 1.6: 2.00 (1.00–3.00) yes" in text
    assert "no" in shown(book_of(tmp_path, [100.0])).split("goal:")[1]


def test_a_subject_whose_answers_fail_keeps_no_goal(tmp_path: Path) -> None:
    assert "no, 30.0 % of the requests failed" in shown(book_of(tmp_path, [500.0], failed_pct=30.0))


def test_a_goal_on_how_little_a_row_can_do_holds_whatever_failed(tmp_path: Path) -> None:
    rate = Column("req/s", "req_per_s", 1)
    book = book_of(tmp_path, [0.8], failed_pct=99.0)
    for bound, verdict in ((0.9, "yes"), (0.7, "no")):
        page, goal = io.StringIO(), Goal("ours", "ours", rate, at_most=bound, whatever_failed=True)
        book.show(replace(LAYOUT, goals=(goal,)), Console(width=100, file=page))
        assert f"goal: ours <= {bound}: 0.8 {verdict}" in page.getvalue()


def test_what_could_not_be_measured_is_told_with_its_reason(tmp_path: Path) -> None:
    book = book_of(tmp_path, [])
    assert not book.has_failures
    book.fail("throughput", "ours", "it ended [sic] early")
    text = shown(book)
    assert book.has_failures
    assert "goal: misses × bare >= 1.6: not measured" in text
    assert "not measured ours: it ended [sic] early" in text


def test_which_requests_failed_is_told_by_round(tmp_path: Path) -> None:
    book = book_of(tmp_path, [200.0])
    book.add("throughput", "ours", 1, {"req_per_s": 90.0, "failed_pct": 12.0}, "503 × 12")
    assert "failed ours, round 2: 503 × 12" in shown(book)


def test_every_measurement_is_a_line_with_date_machine_and_versions(tmp_path: Path) -> None:
    book = book_of(tmp_path, [200.0])
    book.add("throughput", "ours", 1, {"p50_ms": float("nan")}, note="a note")
    lines = [json.loads(line) for line in book.results.read_text().splitlines()]
    assert [(line["row"], line["round"]) for line in lines] == [("bare", 0), ("ours", 0), ("ours", 1)]
    assert lines[1]["req_per_s"] == 200.0
    assert lines[1]["cpus"] >= 1
    assert lines[1]["at"][:2] == "20"
    assert lines[1]["versions"]["fastapi"]
    assert (lines[2]["p50_ms"], lines[2]["note"]) == (None, "a note")
