"""`POST /sql` reads, and does nothing else: not write, not open files, not run for ever."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from tests.collector import Collector
from tests.dashboard.collector.making import record, told
from tests.dashboard.collector.sending import send
from tests.waiting import wait_for


def refused(collector: Collector, sql: str, **more: Any) -> str:
    status, answer = collector.post("/sql", {"sql": sql, **more})
    assert status == 400, answer
    detail: str = answer["detail"]
    return detail


def test_a_select_gives_columns_and_rows(collector: Collector) -> None:
    status, answer = collector.post("/sql", {"sql": "SELECT 1 AS one, 'x' AS two;"})
    assert status == 200
    assert answer.pop("took_ms") >= 0
    columns = [{"name": "one", "type": "INTEGER"}, {"name": "two", "type": "VARCHAR"}]
    assert answer == {"columns": columns, "rows": [[1, "x"]], "truncated": False}


@pytest.mark.parametrize(
    "sql",
    [
        "FROM requests SELECT count(*)",
        "WITH RECURSIVE t(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM t WHERE a < 3) SELECT * FROM t",
        "VALUES (1)",
        "DESCRIBE requests",
        "SHOW TABLES",
        "SUMMARIZE requests",
        "SELECT max(time) FROM requests WHERE time > now() - INTERVAL 1 HOUR",
        "SELECT quantile_cont(duration_ms, 0.99) FROM requests GROUP BY time_bucket(INTERVAL 1 MINUTE, time)",
        "PIVOT requests ON outcome IN ('answered') USING count(*) GROUP BY tenant",
    ],
)
def test_every_form_of_reading_is_taken(collector: Collector, sql: str) -> None:
    assert collector.post("/sql", {"sql": sql})[0] == 200


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("", "got 0 statements"),
        ("-- nothing", "got 0 statements"),
        ("SELECT 1; SELECT 2", "got 2 statements"),
        ("DROP VIEW requests", "expected a SELECT, got DROP"),
        ("DELETE FROM stored.requests", "expected a SELECT, got DELETE"),
        ("COPY requests TO 'stolen.csv'", "expected a SELECT, got COPY"),
        ("ATTACH 'other.duckdb'", "expected a SELECT, got ATTACH"),
        ("SET threads = 1", "expected a SELECT, got SET"),
        ("PRAGMA version", "expected a SELECT, got PRAGMA"),
        ("INSTALL httpfs", "expected a SELECT, got LOAD"),
        ("EXPLAIN ANALYZE DELETE FROM stored.requests", "expected a SELECT, got EXPLAIN"),
        ("CREATE TEMP TABLE t AS SELECT 1", "expected a SELECT, got CREATE"),
        ("WITH gone AS (DELETE FROM stored.spans RETURNING *) SELECT * FROM gone", "read-only"),
        ("WITH new AS (INSERT INTO stored.form VALUES (2) RETURNING *) SELECT * FROM new", "read-only"),
        ("SELECT * FROM query('DELETE FROM stored.spans')", "single SELECT"),
        ("SELECT * FROM read_text('/etc/hostname')", "disabled by configuration"),
        ("SELECT * FROM '/etc/hostname.csv'", "disabled by configuration"),
        ("SELECT * FROM glob('/*')", "disabled by configuration"),
        ("SELECT * FROM 'http://127.0.0.1:1/x.parquet'", "disabled by configuration"),
        ("SELECT * FROM sniff_csv('/etc/passwd')", "disabled by configuration"),
        ("SELECT * FROM duckdb_secrets()", "disabled by configuration"),
        ("SELECT getenv('HOME')", "does not exist"),
        ("SELECT * FROM incoming", "does not exist"),
        ("SELECT * FROM enable_logging()", "configuration has been locked"),
        ("SELECT nope FROM requests", "LINE 1: SELECT nope"),
        ("SELECT * FROM request", "Did you mean"),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
    ],
)
def test_everything_else_is_refused_with_words_that_help(collector: Collector, sql: str, why: str) -> None:
    assert why in refused(collector, sql)


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ({}, 'expected {"sql"'),
        ([], 'expected {"sql"'),
        ({"sql": 7}, 'expected {"sql"'),
        ({"sql": "SELECT 1", "max_rows": 0}, "max_rows: got 0"),
        ({"sql": "SELECT 1", "max_rows": True}, "max_rows: got True"),
        ({"sql": "SELECT 1", "limit": 3}, "limit: unknown member"),
    ],
)
def test_a_question_of_another_form_is_refused(collector: Collector, question: Any, why: str) -> None:
    status, answer = collector.post("/sql", question)
    assert (status, answer["status"]) == (400, 400)
    assert why in answer["detail"]


def test_a_body_that_does_not_say_that_it_is_json_is_refused(collector: Collector) -> None:
    """Which a page of another site cannot say without being asked first."""
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        status, answer = collector.request("POST", "/sql", b'{"sql": "SELECT 1"}', headers)
        assert status == 415
        assert "curl: -H" in answer["detail"]
    assert collector.request("POST", "/sql", b"{", {"Content-Type": "application/json"})[0] == 400


def test_rows_are_cut_at_max_rows(collector: Collector) -> None:
    _, answer = collector.post("/sql", {"sql": "FROM range(10)", "max_rows": 3})
    assert (answer["rows"], answer["truncated"]) == ([[0], [1], [2]], True)


def test_arrow_is_sent_to_who_accepts_it(collector: Collector) -> None:
    body = collector.raw("POST", "/sql", b'{"sql": "SELECT 7 AS n"}', {
        "Content-Type": "application/json", "Accept": "application/vnd.apache.arrow.stream"
    })  # fmt: skip
    with pa.ipc.open_stream(body) as stream:
        assert stream.read_all().to_pylist() == [{"n": 7}]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a limit for data")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT length(repeat('x', 4000000000))",
        "SELECT len(list_sort(range(400000000)))",
        "SELECT string_agg(range::VARCHAR) FROM range(100000000)",
    ],
)
def test_a_query_that_wants_too_much_memory_fails_alone(collector: Collector, sql: str) -> None:
    assert "select less at once" in refused(collector, sql)
    assert collector.sql("SELECT 1 AS n") == [{"n": 1}]


def test_a_value_that_is_too_large_to_send_is_refused(collector: Collector) -> None:
    assert "the first rows alone have more than 32 MiB" in refused(collector, "SELECT repeat('x', 40000000)")


def test_a_query_that_takes_too_long_is_interrupted_and_does_not_hold_up_what_arrives(
    start_collector: Callable[..., Collector], tmp_path: Path
) -> None:
    collector = start_collector("--query-seconds", "1")
    answers: list[tuple[int, Any]] = []
    slow = "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b"
    threads = [threading.Thread(target=lambda: answers.append(collector.post("/sql", {"sql": slow}))) for _ in range(6)]
    began_s = time.monotonic()
    for thread in threads:
        thread.start()
    given = record()
    assert send(collector, told(given)) == 200
    status, health = collector.get("/health")
    assert (status, health) == (200, {"status": "ok"})
    assert time.monotonic() - began_s < 1
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [408] * 6
    assert "longer than 1 s" in answers[0][1]["detail"]
    found = f"SELECT 1 FROM requests WHERE request_id = '{given['request_id']}'"
    wait_for(lambda: bool(collector.sql(found)), "the record that came meanwhile")
