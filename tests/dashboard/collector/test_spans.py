"""Spans become rows: every field, stages apart, and what is wrong with a span."""

from __future__ import annotations

import json
from typing import Any

from dashboard.collector import spans, tables
from tests.dashboard.collector.conftest import Written
from tests.dashboard.collector.making import INSTANCE, as_read, traces

START_NS = 1_795_600_000_250_000_000


def rows(*given: dict[str, Any]) -> list[dict[str, Any]]:
    decoded = spans.decode(as_read(traces(*given)))
    return [dict(zip(tables.SPANS.names, row, strict=True)) for row in decoded.rows]


def test_every_field_of_a_span_has_its_column(written: Written) -> None:
    parent, trace = bytes(7) + b"\x01", bytes(15) + b"\x02"
    message = traces(
        {
            "trace_id": trace,
            "span_id": bytes(7) + b"\x03",
            "parent_span_id": parent,
            "name": "POST /chat",
            "kind": 2,
            "start_time_unix_nano": START_NS,
            "end_time_unix_nano": START_NS + 12_500_000,
            "attributes": {"a": "ü", "n": 2**62, "x": 0.5, "yes": True, "list": [1, "b"], "map": {"k": b"\x00"}},
        }
    )
    span = message.resource_spans[0].scope_spans[0].spans[0]
    span.status.code, span.status.message = 2, "broken"
    event = span.events.add(name="retry", time_unix_nano=START_NS + 3_000_000)
    event.attributes.add(key="why").value.string_value = "503"
    span.links.add(trace_id=trace, span_id=parent)
    written.take(message)
    (row,) = written.sql("SELECT * FROM spans")
    assert row.pop("start_time").isoformat() == "2026-11-25T09:46:40.250000"
    assert row == {
        "trace_id": "00000000000000000000000000000002",
        "span_id": "0000000000000003",
        "parent_span_id": "0000000000000001",
        "name": "POST /chat",
        "kind": "server",
        "duration_ms": 12.5,
        "status": "error",
        "status_message": "broken",
        "service": "gauntlet",
        "instance": INSTANCE,
        "scope": "tests",
        "attributes": {"a": "ü", "n": 2**62, "x": 0.5, "yes": True, "list": [1, "b"], "map": {"k": "AA=="}},
        "events": [{"name": "retry", "t_ms": 3.0, "attributes": {"why": "503"}}],
        "links": [{"trace_id": "00000000000000000000000000000002", "span_id": "0000000000000001"}],
    }


def test_what_a_span_does_not_say_is_null() -> None:
    (row,) = rows({})
    assert (row["parent_span_id"], row["duration_ms"], row["status"], row["kind"]) == (
        None,
        None,
        "unset",
        "unspecified",
    )
    assert (row["attributes"], row["events"], row["links"], row["stage"]) == (b"{}", b"[]", b"[]", None)


def test_a_kind_that_is_newer_than_this_stands_for_itself() -> None:
    assert rows({"kind": 17})[0]["kind"] == "17"


def test_numbers_that_json_lacks_are_null() -> None:
    (row,) = rows({"attributes": {"nan": float("nan"), "inf": float("-inf")}})
    assert json.loads(row["attributes"]) == {"nan": None, "inf": None}


def test_a_stage_tells_its_decision_and_what_it_was_made_from(written: Written) -> None:
    stage = {
        "gauntlet.stage": "rate_limit",
        "gauntlet.stage.decision": "passed",
        "gauntlet.request.id": "r-1",
        "gauntlet.sampling.weight": 20,
        "gauntlet.input.tokens": 17,
        "gauntlet.input.bucket": "user",
        "gauntlet.tenant": "acme",
    }
    written.take(traces({"attributes": stage}, {"attributes": {"gauntlet.tenant": "acme"}}))
    (row,) = written.sql("SELECT * EXCLUDE (trace_id, span_id, time, duration_ms) FROM stage_decisions")
    assert row == {
        "request_id": "r-1",
        "stage": "rate_limit",
        "decision": "passed",
        "inputs": {"tokens": 17, "bucket": "user"},
        "weight": 20.0,
    }


def test_a_span_without_ids_or_start_is_rejected_and_the_others_are_taken() -> None:
    bad: list[dict[str, Any]] = [
        {"trace_id": b""},
        {"trace_id": bytes(16)},
        {"span_id": b"1234567"},
        {"span_id": bytes(8)},
        {"start_time_unix_nano": 0},
    ]
    decoded = spans.decode(as_read(traces({"name": "good"}, *bad)))
    assert [row[3] for row in decoded.rows] == ["good"]
    assert decoded.rejected == len(bad)
    assert decoded.why == "span 'work': trace_id is ''; expected 16 bytes that are not all zero"


def test_a_span_that_comes_again_counts_once(written: Written) -> None:
    first, second = traces({"name": "first"}), traces({"name": "second"})
    written.take(first, first)
    written.take(first, second)
    written.take(second)
    assert written.sql("SELECT name FROM spans ORDER BY name") == [{"name": "first"}, {"name": "second"}]


def test_spans_that_share_one_id_are_told_apart_by_the_other(written: Written) -> None:
    trace, span = bytes(15) + b"\x01", bytes(7) + b"\x01"
    written.take(traces({"trace_id": trace, "span_id": span}))
    written.take(traces({"trace_id": trace}, {"span_id": span}))
    assert written.sql("SELECT count(*) AS n FROM spans") == [{"n": 3}]
