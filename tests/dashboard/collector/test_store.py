"""The file: what is written is there again; what cannot be read is moved aside, said, and never in the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from dashboard.collector.settings import Settings
from dashboard.collector.store import ASIDE, FILE, LockedError, Store
from tests.dashboard.collector.conftest import Written
from tests.dashboard.collector.making import record, told, traces

SETTINGS = Settings(threads=1)


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    first = Written(tmp_path, SETTINGS)
    given, message = record(), traces({"name": "kept"})
    first.take(told(given), message)
    first.store.close()
    second = Written(tmp_path, SETTINGS)
    second.take(told(given), message)  # a sender that heard no answer sends again, to whoever answers
    assert second.sql("SELECT name FROM spans") == [{"name": "kept"}]
    assert second.sql("SELECT request_id FROM requests") == [{"request_id": given["request_id"]}]
    second.store.close()
    assert not (tmp_path / ASIDE).exists()


def truncated(file: Path) -> None:
    with duckdb.connect(str(file)) as database:
        database.execute("CREATE TABLE filling AS SELECT range AS r, md5(range::VARCHAR) AS s FROM range(100000)")
    file.write_bytes(file.read_bytes()[:400_000])


def foreign(file: Path) -> None:
    with duckdb.connect(str(file)) as database:
        database.execute("CREATE TABLE photos (name VARCHAR)")


def newer(file: Path) -> None:
    Store(file.parent, SETTINGS).close()
    with duckdb.connect(str(file)) as database:
        database.execute("UPDATE stored.form SET form = form + 1")


def garbage(file: Path) -> None:
    file.write_bytes(b"this is no database " * 1000)


@pytest.mark.parametrize("spoil", [garbage, truncated, foreign, newer])
def test_a_file_that_cannot_be_read_is_moved_aside_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    file = tmp_path / FILE
    spoil(file)
    spoiled = file.read_bytes()
    store = Written(tmp_path, SETTINGS)
    store.take(traces({"name": "new"}))
    assert store.sql("SELECT name FROM spans") == [{"name": "new"}]
    store.store.close()
    assert (tmp_path / ASIDE).read_bytes() == spoiled
    assert "cannot be read and is now" in caplog.text


def test_an_empty_file_is_a_new_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).touch()
    Store(tmp_path, SETTINGS).close()
    assert caplog.text == ""


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LockedError, match="cannot write to"):
        Store(tmp_path / "file" / "data", SETTINGS)


def test_every_view_and_every_column_has_a_comment(written: Written) -> None:
    views = {"spans", "metric_points", "log_records", "requests", "attempts", "decisions"}
    views |= {"stage_decisions", "breaker_events", "switch_events", "webhooks", "jobs", "agent_runs", "costs"}
    found = written.sql("SELECT view_name, comment FROM duckdb_views() WHERE NOT internal")
    assert {row["view_name"] for row in found if row["comment"]} == views
    silent = "SELECT * FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal AND comment IS NULL"
    assert written.sql(silent) == []


def test_the_columns_are_those_of_the_contract(written: Written) -> None:
    contract = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text()
    record, attempt = (_fields(contract, head) for head in ("## The record", "An attempt:"))
    named = {"requests": {*record - {"path", "attempts"}, "time", "cost_usd"}}
    shared = {"request_id", "trace_id", "time", "tenant", "user", "endpoint", "route"}
    named["attempts"] = attempt | shared | {"retry"}
    told = ("decisions", "stage_decisions", "breaker_events", "switch_events", "jobs", "costs")
    for table in ("spans", "metric_points", "log_records", *told):
        (text,) = re.findall(rf"^(?:- )?`{table}`:(.*?)(?:\n\n|\n- |\Z)", contract, re.MULTILINE | re.DOTALL)
        named[table] = set(re.findall(r"`(\w+)`", re.sub(r"\([^()]*\)", "", text)))
    for table, columns in named.items():
        rows = written.sql(f"SELECT column_name FROM (DESCRIBE {table})")
        assert {row["column_name"] for row in rows} == columns, table


def _fields(contract: str, head: str) -> set[str]:
    """The fields of the table after a heading."""
    section = contract.split(head)[1].split("\n\n|")[1].split("\n\n")[0]
    return {name for cell in section.splitlines()[2:] for name in re.findall(r"`(\w+)`", cell.split("|")[1])}
