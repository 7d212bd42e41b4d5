"""Rows go when they are too old, and the oldest of all tables when there are too many."""

from __future__ import annotations

import time
from pathlib import Path

from dashboard.collector.retention import used_bytes
from dashboard.collector.settings import Settings
from tests.dashboard.collector.conftest import Written
from tests.dashboard.collector.making import logs, metrics, record, told, traces

TABLES = ("spans", "metric_points", "log_records", "requests", "attempts", "decisions")


def counts(written: Written) -> dict[str, int]:
    return {table: written.sql(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in TABLES}


def test_what_is_older_than_its_age_goes_from_every_table(written: Written) -> None:
    now_s = time.time()
    for age_s in (10, 2 * 86_400):
        at_ns = int((now_s - age_s) * 1e9)
        points, found = metrics()
        found.add(name="level").gauge.data_points.add(time_unix_nano=at_ns, as_int=1)
        written.take(
            traces({"start_time_unix_nano": at_ns}),
            points,
            logs({"time_unix_nano": at_ns}),
            told(record(t=now_s - age_s)),
        )
    written.store.tidy(now_s)
    assert counts(written) == dict.fromkeys(TABLES, 1) | {"log_records": 3, "decisions": 2}
    written.store.tidy(now_s + 2 * 86_400)
    assert counts(written) == dict.fromkeys(TABLES, 0)


def test_when_the_file_is_too_large_the_oldest_go_and_the_newest_stay(tmp_path: Path) -> None:
    limit = 24 * 2**20
    written = Written(tmp_path, Settings(threads=1, retention_bytes=limit))
    insert = written.store.cursor()
    began_us, rows = 1_795_600_000_000_000, 400_000
    for table, column in (("spans", "start_time"), ("log_records", "time")):
        text = "trace_id, span_id" if table == "spans" else "body, trace_id"
        insert.execute(f"""
            INSERT INTO stored.{table} ({column}, {text})
            SELECT make_timestamp({began_us} + range * 1000), md5(random()::VARCHAR), md5(random()::VARCHAR)
            FROM range({rows})""")
    insert.execute("CHECKPOINT")
    assert used_bytes(insert) > limit
    for _ in range(4):
        written.store.tidy(began_us / 1e6)
    assert used_bytes(insert) <= limit
    left = counts(written)
    assert rows / 10 < left["spans"] < rows
    assert left["log_records"] == left["spans"]
    newest = written.sql("SELECT min(start_time) AS oldest, max(start_time) AS newest FROM spans")[0]
    last = written.sql(f"SELECT make_timestamp({began_us + (rows - 1) * 1000}) AS t")[0]["t"]
    assert newest["newest"] == last
    assert (newest["newest"] - newest["oldest"]).total_seconds() < rows / 1000 - 1
    insert.close()
    written.store.close()
