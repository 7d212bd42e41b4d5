"""The verdict: a pass only where the load was put on, the books were judged, and something was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from loadtests.scenario import Expectation, Scenario
from loadtests.verdict.evidence import Evidence, Generator, Window
from loadtests.verdict.judge import Judged, Verdict, amount, judge
from tests.loadtests.small import WHY, phase, scenario
from tests.loadtests.verdict.test_measures import ENTRY, FAILED, T

GOOD = Generator(sent=100, busy=0.3, latest_ms=20)
ROW = {"measure", "during", "callers", "kind", "target", "bound", "measured", "unit", "passed", "why"}


def promising(*promises: Expectation) -> Scenario:
    return scenario(phase(), expect=[one.model_dump(exclude_none=True) for one in promises])


SHARE = "success_share"
SUCCESS = Expectation(measure=SHARE, at_least=0.9, why=WHY)
ONE = promising(SUCCESS)


def evidence(*entries: Any, generator: Generator = GOOD, **more: Any) -> Evidence:
    return Evidence(T, T + 10, [Window("only", T, T + 10)], entries or [ENTRY], generator=generator, **more)


def judged(*entries: Any, whole: Scenario = ONE, generator: Generator = GOOD, **more: Any) -> Verdict:
    return judge(whole, evidence(*entries, generator=generator), **{"books": "balanced", **more})


def test_kept_promises_and_balanced_books_pass() -> None:
    found = judged()
    assert (found.word, found.reason, found.books) == ("pass", None, "balanced")


SATURATED: dict[str, tuple[Generator, str]] = {
    "not sent": (replace(GOOD, not_sent=1), r"saturated: it did not send 1 of 101 requests; .*--workers"),
    "late": (
        replace(GOOD, late=3, latest_ms=2500),
        r"saturated: it sent 3 of 100 requests more than 500 ms late .*2,500",
    ),
    "busy": (replace(GOOD, busy=0.97), r"saturated: it used 97% of a core"),
    "nothing sent": (Generator(), "no request was sent"),
}


@pytest.mark.parametrize("case", SATURATED)
@pytest.mark.parametrize("broken", [False, True])
def test_a_load_that_was_not_put_on_says_nothing_either_way(case: str, broken: bool) -> None:
    generator, words = SATURATED[case]
    found = judged(FAILED if broken else ENTRY, generator=generator)
    assert found.word == "unknown"
    assert found.reason is not None
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(found.reason)


def test_a_few_late_ones_are_the_machines_noise() -> None:
    assert judged(generator=replace(GOOD, late=2, latest_ms=900)).word == "pass"


def test_a_run_that_was_stopped_says_nothing_either_way() -> None:
    for entry in (ENTRY, FAILED):
        found = judged(entry, reason="it was stopped before its end")
        assert (found.word, found.reason) == ("unknown", "it was stopped before its end")


def test_differences_in_the_books_fail_whatever_else_was_kept() -> None:
    found = judged(books="differences", books_said="2 differences; the first: cost of x")
    assert (found.word, found.reason, found.books_said) == ("fail", None, "2 differences; the first: cost of x")


def test_books_that_could_not_be_judged_are_never_a_pass() -> None:
    found = judged(books="not judged", books_said="the collector does not answer")
    assert (found.word, found.reason) == ("unknown", "the books could not be judged: the collector does not answer")


def test_books_count_only_where_there_are_some() -> None:
    for books in ("not judged", "differences"):
        assert judged(books=books, books_count=False).word == "pass"
    assert judge(ONE, evidence(has_ledger=False), books="not judged").word == "unknown"
    assert judge(ONE, evidence(has_ledger=False), books="not judged", simulated=False).word == "pass"


def test_a_broken_promise_fails_although_something_else_could_not_be_judged() -> None:
    stale = Expectation(measure="first_token_p95_ms", at_most=5, why=WHY)
    assert judged(FAILED, books="not judged").word == "fail"
    assert judged(FAILED, whole=promising(SUCCESS, stale)).word == "fail"


def test_a_promise_of_which_nothing_was_measured_is_never_a_pass() -> None:
    found = judged(whole=promising(SUCCESS, Expectation(measure="first_token_p95_ms", at_most=5, why=WHY)))
    assert (found.word, found.reason) == ("unknown", "there was nothing to measure for first_token_p95_ms")
    assert [one.passed for one in found.judged] == [True, None]


def test_one_broken_promise_is_enough() -> None:
    slow = Expectation(measure="p99_ms", at_most=99, why=WHY)
    found = judged(whole=promising(SUCCESS, slow))
    assert (found.word, [one.passed for one in found.judged]) == ("fail", [True, False])


def test_a_bound_itself_is_kept() -> None:
    for bound in ({"at_most": 100}, {"at_least": 100}, {"at_most": 100, "at_least": 100}):
        assert judged(whole=promising(Expectation(measure="p99_ms", why=WHY, **bound))).word == "pass"


def test_the_document_is_json_as_documented() -> None:
    never = Expectation(measure="back_after_s", at_most=5, target="anthropic", why=WHY, during=("only",))
    found = judged(whole=promising(SUCCESS, never), books_said="nothing")
    document = json.loads(json.dumps(found.document(), allow_nan=False))
    assert {"verdict", "reason", "expectations", "books"} <= set(document)
    assert (document["verdict"], document["books"]) == ("unknown", "balanced")
    assert all(set(row) >= ROW for row in document["expectations"])
    first, second = document["expectations"]
    assert (first["measure"], first["bound"], first["measured"], first["passed"]) == (
        "success_share",
        ">= 90 %",
        1.0,
        True,
    )
    assert (second["target"], second["during"], second["measured"], second["passed"]) == (
        "anthropic",
        ["only"],
        None,
        None,
    )


def test_what_never_came_is_no_number_in_the_document() -> None:
    one = Judged(Expectation(measure="back_after_s", at_most=5, target="openai", why=WHY), "s", float("inf"), False)
    (row,) = Verdict("fail", None, [one], "balanced").document()["expectations"]
    assert (row["measured"], row["said"]) == (None, "never")
    json.dumps(row, allow_nan=False)


@pytest.mark.parametrize(
    ("bounds", "unit", "words"),
    [
        ({"at_least": 0.999}, "share", ">= 99.9 %"),
        ({"at_most": 0.002}, "share", "<= 0.2 %"),
        ({"at_most": 0}, "share", "<= 0 %"),
        ({"at_least": 1}, "share", ">= 100 %"),
        ({"at_most": 5500}, "ms", "<= 5,500 ms"),
        ({"at_most": 33}, "s", "<= 33.0 s"),
        ({"at_most": 1.15}, "ratio", "<= 1.15"),
        ({"at_most": 40}, "count", "<= 40"),
        ({"at_most": 1.0}, "usd", "<= $1.000"),
        ({"at_least": 1, "at_most": 1}, "count", "= 1"),
        ({"at_least": 60, "at_most": 1000}, "count", ">= 60, <= 1,000"),
    ],
)
def test_bounds_are_said_as_people_read_them(bounds: dict[str, float], unit: str, words: str) -> None:
    assert Judged(Expectation(measure="calls", why=WHY, **bounds), unit, None, None).bound == words


@pytest.mark.parametrize(
    ("unit", "bound", "measured", "said"),
    [
        ("share", 0.999, 0.99896, "99.896 %"),
        ("ratio", 1.15, 1.1508, "1.151"),
        ("ms", 3000, 3000.4, "3,000.4 ms"),
        ("s", 33, 33.04, "33.04 s"),
        ("usd", 1, 1.00004, "$1.00004"),
    ],
)
def test_what_broke_a_bound_by_little_does_not_look_like_the_bound(
    unit: str, bound: float, measured: float, said: str
) -> None:
    promise = Expectation(measure="calls", at_most=bound, why=WHY)
    assert Judged(promise, unit, measured, False).said == said
    assert Judged(promise, unit, measured, True).said == amount(bound, unit)


def test_what_an_expectation_is_about_is_said_in_full() -> None:
    whole = Expectation(
        measure="calls", at_most=1, target="openai", kind="faq", callers="acme", during=("a", "b"), why=WHY
    )
    assert Judged(whole, "count", 1, True).about == "calls, openai, of faq, for acme, during a and b"
    assert Judged(whole, "count", None, None).said == "nothing"
