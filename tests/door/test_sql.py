"""`gauntlet sql` at the terminal, and `telemetry.sql` in a notebook: the same rows of a real collector."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from door import pseudonym, telemetry
from door.errors import DoorError
from door.flags import seconds
from tests.collector import Collector
from tests.door.cli import environment, gauntlet
from tests.telling import Teller

Sql = Callable[..., "subprocess.CompletedProcess[str]"]

TENANT = "sql-test"
COUNTED = f"select status, count(*) as n from requests where tenant = '{TENANT}' group by status order by status"


@pytest.fixture(scope="module")
def told(collector: Collector) -> Collector:
    with Teller(collector) as teller:
        for status in (200, 200, 503):
            teller.record(status=status, tenant=TENANT, degraded=["a:b"] if status == 503 else [], error=None)
        teller.told()
    return collector


@pytest.fixture(scope="module")
def sql(told: Collector, tmp_path_factory: pytest.TempPathFactory) -> Sql:
    home = tmp_path_factory.mktemp("sql")

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return gauntlet("sql", *words, "--url", told.url, env=environment(home, **{"COLUMNS": "80", **more}))

    return run


def test_a_table_with_numbers_to_the_right(sql: Sql) -> None:
    said = sql(COUNTED)
    assert said.returncode == 0, said.stderr
    rows = [line.split() for line in said.stdout.splitlines() if line.strip()]
    assert rows[0] == ["status", "n"]
    assert rows[2:] == [["200", "2"], ["503", "1"]]


def test_a_time_in_unix_seconds_can_be_read(sql: Sql) -> None:
    said = sql("select 1795711376.5381::double as a, 0.123456789::double as b, -1e18::double as c").stdout
    assert said.split()[-3:] == ["1795711376.538", "0.123457", "-1e+18"]


def test_json_and_csv(sql: Sql) -> None:
    assert json.loads(sql(COUNTED, "--json").stdout) == [{"status": 200, "n": 2}, {"status": 503, "n": 1}]
    assert list(csv.reader(io.StringIO(sql(COUNTED, "--csv").stdout))) == [["status", "n"], ["200", "2"], ["503", "1"]]
    values = "select null as a, true as b, ['x'] as c, 'é' as d, 1.5 as e"
    assert json.loads(sql(values, "--json").stdout) == [{"a": None, "b": True, "c": ["x"], "d": "é", "e": 1.5}]
    assert sql(values, "--csv").stdout.splitlines()[1] == ',true,"[""x""]",é,1.5'


def test_a_row_too_wide_for_the_terminal_is_shown_in_lines(sql: Sql) -> None:
    wide = sql(f"select * from requests where tenant = '{TENANT}' and status = 503")
    lines = wide.stdout.splitlines()
    assert lines[0] == "row 1"
    assert max(map(len, lines)) <= 80
    assert ["degraded", '["a:b"]'] in [line.split() for line in lines]
    piped = sql(f"select * from requests where tenant = '{TENANT}' and status = 503", COLUMNS="")
    assert any("request_id" in line and "charge_key" in line for line in piped.stdout.splitlines())


def test_many_rows_are_cut_and_it_is_said(sql: Sql) -> None:
    said = sql("select * from range(500)")
    assert "the first 100 rows; --limit N shows more, --csv all" in said.stderr
    assert len(sql("select * from range(500)", "--csv").stdout.splitlines()) == 501
    limited = sql("select * from range(500)", "--limit", "3", "--json")
    assert len(json.loads(limited.stdout)) == 3
    assert limited.stderr == "the first 3 rows\n"


def test_no_rows_are_said(sql: Sql) -> None:
    assert sql("select 1 where false").stdout == "no rows\n"


def test_without_a_query_every_view_is_listed_with_its_columns(sql: Sql) -> None:
    said = sql()
    assert said.returncode == 0
    assert max(map(len, said.stdout.splitlines()[:-1])) <= 80
    tables = {line for line in said.stdout.splitlines() if line and not line.startswith(" ")}
    assert {"requests", "attempts", "decisions", "stage_decisions", "breaker_events", "costs", "spans"} <= tables
    assert "request_id varchar" in said.stdout
    assert {"requests", "spans"} <= {row["table_name"] for row in json.loads(sql("--json").stdout)}


@pytest.mark.parametrize(
    ("query", "words"),
    [("selec 1", "syntax error"), ("select nothing from requests", "nothing"), ("drop table x", "expected a SELECT")],
)
def test_what_is_refused_is_told_in_the_collectors_words(sql: Sql, query: str, words: str) -> None:
    said = sql(query)
    assert said.returncode == 1
    assert words in said.stderr
    assert "Traceback" not in said.stderr


def test_a_collector_that_is_away_is_told_with_what_to_do(tmp_path: Path) -> None:
    said = gauntlet("sql", "select 1", env=environment(tmp_path))
    assert said.returncode == 1
    assert "no collector answers at http://127.0.0.1:" in said.stderr


@pytest.mark.parametrize("words", [("--json", "--csv", "select 1"), ("--limit", "0", "select 1"), ("--url", "ftp://x")])
def test_wrong_usage(sql: Sql, words: tuple[str, ...]) -> None:
    assert gauntlet("sql", *words, env=environment(Path("/nowhere"))).returncode == 2


def test_a_notebook_gets_a_frame(told: Collector) -> None:
    frame = telemetry.sql(COUNTED, told.url)
    assert list(frame.columns) == ["status", "n"]
    assert frame.to_dict("list") == {"status": [200, 503], "n": [2, 1]}
    times = telemetry.sql(f"select time, degraded from requests where tenant = '{TENANT}' order by status", told.url)
    assert str(times["time"].dtype).startswith("datetime64")
    assert list(times["degraded"].iloc[-1]) == ["a:b"]


def test_a_notebook_is_warned_of_a_result_that_was_cut(told: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "MOST_ROWS", 10)
    with pytest.warns(UserWarning, match="cut after 10 rows"):
        assert len(telemetry.sql("select * from range(100)", told.url)) == 10


def test_a_notebook_gets_duckdbs_words(told: Collector) -> None:
    with pytest.raises(DoorError, match="syntax error"):
        telemetry.sql("selec", told.url)


def test_telemetry_is_imported_from_the_door_and_only_when_asked_for() -> None:
    code = "import sys, gauntlet; print('pandas' in sys.modules); from gauntlet import telemetry; print(telemetry.sql)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.startswith("False\n<function sql")
    with pytest.raises(ImportError, match="nothing_like_it"):
        from gauntlet import nothing_like_it  # noqa: F401


def test_a_pseudonym_is_keyed_and_is_its_own() -> None:
    name = pseudonym.of_user("alice", {"GAUNTLET_CONFIG": "/nowhere"})
    assert len(name) == 16
    assert name == pseudonym.of_user(name, {})
    other = pseudonym.of_user("alice", {"GAUNTLET_CONFIG": "/nowhere", "GAUNTLET_TELEMETRY__PSEUDONYM_KEY": "k" * 8})
    assert other != name


def test_a_pseudonyms_key_comes_from_the_configuration_file_too(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text('[telemetry]\npseudonym_key = "another-key"\n')
    given = pseudonym.of_user("alice", {"GAUNTLET_CONFIG": str(tmp_path / "g.toml")})
    assert given == pseudonym.of_user(
        "alice", {"GAUNTLET_CONFIG": "/nowhere", "GAUNTLET_TELEMETRY__PSEUDONYM_KEY": "another-key"}
    )


def test_times_on_the_command_line() -> None:
    assert [seconds(text) for text in ("90s", "5m", "2h", "1d", "30", "1.5m")] == [90, 300, 7200, 86400, 30, 90]
