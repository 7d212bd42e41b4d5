"""`GET /requests`, `/traces/{id}`, `/status`: what they find, and what they say when they cannot."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from tests.collector import Collector
from tests.dashboard.collector.making import attempt, logs, record, told, traces
from tests.dashboard.collector.sending import send
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def known(collector: Collector) -> list[dict[str, Any]]:
    """Three requests of a tenant of their own, the last one with a trace and a log line."""
    tenant, now_s = f"t-{uuid.uuid4().hex}", time.time()
    records = [
        record(t=now_s - 300, tenant=tenant, user="u1", route="brief", endpoint="/admin/stages", duration_ms=900.0),
        record(
            t=now_s - 20,
            tenant=tenant,
            user="u2",
            outcome="degraded",
            source="provider",
            degraded=["openai:full"],
            duration_ms=50.0,
        ),
        record(t=now_s - 10, tenant=tenant, user="u1", endpoint="/refund", attempts=[attempt(), attempt(n=2)]),
    ]  # fmt: skip
    trace_id = bytes.fromhex(records[2]["trace_id"])
    send(collector, told(*records))
    send(collector, traces({"trace_id": trace_id, "name": "POST /refund"}))
    send(collector, logs({"trace_id": trace_id, "body": "careful", "severity_number": 13}))
    wait_for(lambda: collector.get(f"/traces/{records[2]['request_id']}")[1].get("logs", []) != [], "the last one")
    return records


def found(collector: Collector, known: list[dict[str, Any]], query: str) -> list[int]:
    """Which of the known requests a query gives, in its order."""
    status, answer = collector.get(f"/requests?tenant={known[0]['tenant']}{query}")
    assert status == 200, answer
    ids = [given["request_id"] for given in known]
    return [ids.index(row["request_id"]) for row in answer["requests"]]


@pytest.mark.parametrize(
    ("query", "which"),
    [
        ("", [2, 1, 0]),
        ("&order=recent&limit=2", [2, 1]),
        ("&order=slowest", [0, 1, 2]),
        ("&user=u1", [2, 0]),
        ("&endpoint=%2Frefund", [2]),
        ("&outcome=degraded", [1]),
        ("&degraded=1", [1]),
        ("&degraded=0", [2, 1, 0]),
        ("&since_s=100", [2, 1]),
        ("&until_s=100", [0]),
        ("&since_s=100&until_s=15", [1]),
        ("&route=brief", [0]),
        ("&source=provider", [1]),
        ("&polls=0", [2, 1]),
        ("&polls=1", [2, 1, 0]),
        ("&user=nobody", []),
        ("&user=%27%20OR%201%3D1%20--", []),
    ],
)
def test_requests_are_listed_by_any_filter(
    collector: Collector, known: list[dict[str, Any]], query: str, which: list[int]
) -> None:
    assert found(collector, known, query) == which


def test_a_request_is_found_by_its_id_and_by_its_beginning(collector: Collector, known: list[dict[str, Any]]) -> None:
    given = known[1]["request_id"]
    assert found(collector, known, f"&request_id={given}") == [1]
    assert found(collector, known, f"&request_id={given[:8].upper()}") == [1]
    assert found(collector, known, f"&request_id={given[:5]}") == [], "too short to be a beginning"
    assert found(collector, known, f"&request_id={given}0") == []
    assert found(collector, known, f"&trace_id={known[1]['trace_id']}") == [1]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("tenants=x", "tenants: unknown parameter; there are request_id, trace_id"),
        ("order=fastest", "order: got 'fastest'; expected one of recent, slowest"),
        ("limit=0", "limit: got '0'"),
        ("limit=many", "limit: got 'many'"),
        ("since_s=-1", "since_s: got '-1'"),
        ("until_s=now", "until_s: got 'now'"),
        ("polls=no", "polls: got 'no'; expected one of 0, 1"),
        ("since_s=nan", "since_s: got 'nan'"),
        ("degraded=yes", "degraded: got 'yes'; expected one of 0, 1"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_is_right(collector: Collector, query: str, why: str) -> None:
    status, answer = collector.get(f"/requests?{query}")
    assert status == 400
    assert why in answer["detail"]


@pytest.mark.parametrize("name", ["request_id", "trace_id"])
def test_a_trace_is_found_by_either_id_with_all_that_belongs_to_it(
    collector: Collector, known: list[dict[str, Any]], name: str
) -> None:
    given = known[2][name]
    status, answer = collector.get(f"/traces/{given.upper() if name == 'trace_id' else given}")
    assert status == 200
    assert answer["request"]["request_id"] == known[2]["request_id"]
    assert [row["n"] for row in answer["attempts"]] == [1, 2]
    assert [row["stage"] for row in answer["decisions"]] == ["cache", "call"]
    assert [row["name"] for row in answer["spans"]] == ["POST /refund"]
    assert [row["body"] for row in answer["logs"]] == ["careful"]


def test_a_trace_without_a_request_is_found_and_a_request_without_a_trace(
    collector: Collector, known: list[dict[str, Any]]
) -> None:
    trace_id = uuid.uuid4()
    send(collector, traces({"trace_id": trace_id.bytes, "name": "alone"}))
    wait_for(lambda: collector.get(f"/traces/{trace_id.hex}")[0] == 200, "the lone trace")
    _, alone = collector.get(f"/traces/{trace_id.hex}")
    assert (alone["request"], alone["attempts"], [row["name"] for row in alone["spans"]]) == (None, [], ["alone"])
    _, unkept = collector.get(f"/traces/{known[0]['request_id']}")
    assert (unkept["request"]["tenant"], unkept["spans"]) == (known[0]["tenant"], [])


@pytest.mark.parametrize("given", ["nobody", "0" * 32, "%27", "a/b"])
def test_what_nobody_knows_is_404(collector: Collector, given: str) -> None:
    status, answer = collector.get(f"/traces/{given}")
    assert status == 404
    assert "is no trace id and no request id" in answer["detail"]


def test_the_status_says_what_there_is_and_what_was_taken(collector: Collector, known: list[dict[str, Any]]) -> None:
    status, answer = collector.get("/status")
    assert status == 200
    assert answer["tables"]["requests"]["rows"] >= len(known)
    assert answer["tables"]["requests"]["oldest"] <= answer["newest"]
    assert answer["accepted"]["log_records"] >= len(known)
    assert answer["retention"] == {"age_s": 86400.0, "bytes": 2**30}
    assert set(answer["bytes"]) == {"used", "file"}
    assert (answer["lost"], answer["failure"]) == ({}, None)


def test_health_touches_nothing(collector: Collector) -> None:
    assert collector.get("/health") == (200, {"status": "ok"})
