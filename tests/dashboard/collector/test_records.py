"""Records of requests become requests, attempts, decisions and costs; nothing in one can break a batch."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.dashboard.collector.conftest import Written
from tests.dashboard.collector.making import INSTANCE, T, attempt, record, told


def test_a_records_fields_are_the_columns_of_requests(written: Written) -> None:
    given = record(t=T, degraded=["anthropic:unavailable"], off=["cache"], source="provider")
    written.take(told(given))
    (row,) = written.sql("SELECT * FROM requests")
    assert row.pop("time") == datetime(2026, 11, 25, 9, 46, 40, 250_000)  # noqa: DTZ001 - DuckDB gives UTC without a zone
    assert row.pop("cost_usd") == pytest.approx(1.5e-6)
    own_work_only = {"cause": None, "step": None}
    assert row == own_work_only | {name: value for name, value in given.items() if name not in ("path", "attempts")}


def test_a_step_of_own_work_names_itself_and_the_trace_of_the_request_it_is_done_for(written: Written) -> None:
    written.take(told(record(t=T, method="WORK", step="job_1/map/1", cause="ab" * 16)))
    assert written.sql("SELECT step, cause FROM requests") == [{"step": "job_1/map/1", "cause": "ab" * 16}]


def test_attempts_are_rows_and_say_which_are_retries(written: Written) -> None:
    calls = [
        attempt(n=1, status="unavailable"),
        attempt(n=2, status="unavailable"),
        attempt(n=3, target="openai", model="gpt"),
    ]
    given = record(t=T, attempts=calls)
    written.take(told(given))
    rows = written.sql("SELECT * FROM attempts ORDER BY n")
    assert [row["retry"] for row in rows] == [False, True, False]
    for row, call in zip(rows, calls, strict=True):
        assert {name: row[name] for name in call} == call
        assert {name: row[name] for name in ("request_id", "trace_id", "tenant", "user", "endpoint", "route")} == {
            name: given[name] for name in ("request_id", "trace_id", "tenant", "user", "endpoint", "route")
        }


def test_decisions_are_rows_in_their_order(written: Written) -> None:
    path = [["cache", "miss", 0.5], ["retry", "again", 3], ["cache", "stored", 9.25]]
    written.take(told(record(path=path)))
    rows = written.sql("SELECT place, stage, decision, t_ms FROM decisions ORDER BY place")
    assert [list(row.values()) for row in rows] == [[place, *step] for place, step in enumerate(path)]


@pytest.mark.parametrize(
    ("outcome", "calls", "purposes"),
    [
        ("answered", [("anthropic", "ok")], ["answer"]),
        ("answered", [("anthropic", "unavailable"), ("anthropic", "ok")], ["retry", "answer"]),
        ("degraded", [("anthropic", "unavailable"), ("openai", "ok")], ["retry", "fallback"]),
        ("degraded", [("anthropic", "timed_out"), ("openai", "ok")], ["abandoned", "fallback"]),
        ("cancelled", [("anthropic", "unavailable"), ("openai", "ok")], ["abandoned", "abandoned"]),
        ("answered", [("anthropic", "ok"), ("anthropic", "cancelled")], ["answer", "abandoned"]),
        ("broken", [("anthropic", "ok"), ("openai", "ok")], ["retry", "fallback"]),
        ("failed", [("anthropic", "refused")], ["retry"]),
    ],
)
def test_costs_say_what_the_money_was_for(
    written: Written, outcome: str, calls: list[tuple[str, str]], purposes: list[str]
) -> None:
    attempts = [attempt(n=n, target=target, status=status) for n, (target, status) in enumerate(calls, 1)]
    written.take(told(record(outcome=outcome, attempts=attempts)))
    assert [row["purpose"] for row in written.sql("SELECT purpose FROM attempts ORDER BY n")] == purposes
    assert [row["purpose"] for row in written.sql("SELECT purpose FROM costs ORDER BY purpose")] == sorted(purposes)


def test_what_a_sender_says_of_the_purpose_stays(written: Written) -> None:
    written.take(told(record(attempts=[attempt(purpose="fallback", cost_nano_usd=None)])))
    (row,) = written.sql("SELECT purpose, cost_nano_usd, cost_usd, unpriced FROM costs")
    assert row == {"purpose": "fallback", "cost_nano_usd": None, "cost_usd": None, "unpriced": True}


def test_a_record_that_comes_again_counts_once(written: Written) -> None:
    first, second = record(), record()
    written.take(told(first, first))
    written.take(told(first), told(second))
    assert written.sql("SELECT count(*) AS n FROM requests") == [{"n": 2}]
    assert written.sql("SELECT count(*) AS n FROM attempts") == [{"n": 2}]
    assert written.sql("SELECT count(*) AS n FROM decisions") == [{"n": 4}]


def test_a_request_id_that_is_used_again_is_another_request(written: Written) -> None:
    first = record()
    written.take(told(first, first | {"t": first["t"] + 1}, first | {"instance": "another"}))
    assert written.sql("SELECT count(*) AS n FROM requests") == [{"n": 3}]


WRONG: list[Any] = [
    "no JSON",
    "[1, 2]",
    "NaN",
    '"text"',
    "{}",
    "",
    '{"request_id": "wrong types", "t": "soon", "status": "ok", "degraded": "x", "path": {"a": 1}, "attempts": 3}',
    '{"request_id": "wrong inside", "path": [1, [2], ["a", "b", "x"], null], "attempts": [1, null, {"n": "x"}]}',
    '{"request_id": "huge", "t": 1e300, "cost_nano_usd": 1e40, "status": 99999999999}',
    '{"request_id": "nul\\u0000inside", "tenant": "\\u0000"}',
    '{"request_id": {"a": 1}, "unknown": [[[]]]}',
]


def test_a_record_that_is_wrong_is_kept_with_nulls_beside_one_that_is_right(written: Written) -> None:
    right = record()
    written.take(told(*WRONG, right))
    assert written.sql("SELECT count(*) AS n FROM log_records") == [{"n": len(WRONG) + 1}]
    rows = {row["request_id"]: row for row in written.sql("SELECT * FROM requests")}
    assert rows[right["request_id"]]["tenant"] == "acme"
    wrong = rows["wrong types"]
    assert (wrong["status"], wrong["degraded"], wrong["instance"]) == (None, None, INSTANCE)
    assert wrong["time"] is not None
    assert rows["huge"]["cost_nano_usd"] is None
    inside = written.sql("SELECT stage, decision, t_ms FROM decisions WHERE request_id = 'wrong inside' ORDER BY place")
    assert {"stage": "a", "decision": "b", "t_ms": None} in inside
