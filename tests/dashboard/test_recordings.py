"""Recorded runs: what is kept is all that was told, or nothing; what cannot be read is named."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import duckdb
import pytest

from dashboard import recordings
from dashboard.backends.all import Backends
from dashboard.backends.collector import Collector as Asked
from dashboard.backends.http import Away
from dashboard.backends.service import Service
from dashboard.backends.simulator import Simulator
from dashboard.feed.picture import Change
from dashboard.recordings import FaultWindow, NoPicture, NotKept, complete, keeping, record, replay
from dashboard.recordings import rows as rows_of
from dashboard.recordings.events import Events, between, decoded, joined
from dashboard.recordings.recorder import Recorder
from loadtests.books.run import Run
from tests.collector import Collector
from tests.dashboard.conftest import NOWHERE
from tests.dashboard.recording import BEGAN, fault, write_run
from tests.root import ROOT
from tests.telling import Teller, attempt
from tests.waiting import wait_for

SPAN_S = 60.0
CHATS = 40


class Told:
    """A collector that was told of chats in a minute that ended ten seconds ago; every fourth had two calls."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.ended = time.time() - 10.0
        self.began = self.ended - SPAN_S
        with Teller(collector) as teller:
            for number in range(CHATS):
                calls = [attempt(n, "anthropic", "m", cost_nano_usd=500) for n in range(2 if number % 4 == 0 else 1)]
                t = self.began + 1 + number * (SPAN_S - 2) / CHATS
                teller.record(t=t, source="live", cost_nano_usd=1000, attempts=calls)
            teller.record(t=self.began + 5, endpoint="/ready", method="GET")
            teller.record(t=self.began - 3600)
            teller.record(t=self.ended + 1)
            teller.told()

    @property
    def backends(self) -> Backends:
        """The collector; service and simulator are away."""
        return Backends(
            Asked("collector", self.collector.url), Service("service", NOWHERE), Simulator("simulator", NOWHERE)
        )

    def count(self, view: str) -> int:
        """Rows of a view within the minute and what may have ended in it."""
        since, until = int((self.began - 75) * 1e6), int(self.ended * 1e6)
        (row,) = self.collector.sql(
            f'select count(*) as n from {view} where "time" between make_timestamp({since}) and make_timestamp({until})'
        )
        n: int = row["n"]
        return n


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    collector = Collector.start(tmp_path_factory.mktemp("collector"))
    yield Told(collector)
    collector.end()


def rows(path: Path) -> int:
    """How many rows a Parquet file has."""
    with duckdb.connect() as connection:
        found = connection.execute(f"select count(*) from '{path}'").fetchone()
    assert found is not None
    n: int = found[0]
    return n


@pytest.mark.parametrize("page_rows", [rows_of.PAGE_ROWS, 7, 2])
def test_all_that_was_told_is_kept_however_little_the_collector_sends_at_once(
    told: Told, tmp_path: Path, page_rows: int
) -> None:
    run = record(told.backends, tmp_path, told.began, told.ended, "a run", page_rows=page_rows)
    assert rows(run.folder / "requests.parquet") == told.count("requests") == CHATS + 1
    assert rows(run.folder / "attempts.parquet") == told.count("attempts") == CHATS + CHATS // 4
    assert {path.name for path in run.folder.iterdir()} == {
        "run.json", "requests.parquet", "attempts.parquet", "events.json",
    }  # fmt: skip


def test_a_run_gives_the_figures_of_what_happened(told: Told, tmp_path: Path) -> None:
    run = record(told.backends, tmp_path, told.began, told.ended, "a run")
    shown = recordings.figures(run)
    assert (shown.requests, shown.success, shown.amplification) == (CHATS, 1.0, 1.25)
    begin, end = recordings.span(run)
    assert shown.usd_per_min == pytest.approx(CHATS * 1000 / 1e9 * 60 / (end - begin))


def test_a_run_is_listed_as_it_was_kept(told: Told, tmp_path: Path) -> None:
    kept = record(told.backends, tmp_path, told.began, told.ended, "  two\nlines ")
    assert recordings.recordings(tmp_path) == ([kept], [])
    assert (kept.label, kept.began, kept.ended, kept.has_rows) == ("two lines", told.began, told.ended, True)
    assert "simulator was away" in kept.notes[0]


def test_what_one_moment_holds_in_excess_is_refused_rather_than_lost(told: Told, tmp_path: Path) -> None:
    with pytest.raises(NotKept, match="of the same microsecond"):
        record(told.backends, tmp_path, told.began, told.ended, "", page_rows=1)  # an ask's two calls share its time
    assert recordings.recordings(tmp_path) == ([], [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("label", ["../../etc/passwd", "/", "a'b\"c; drop table requests", "..", "故障", "x" * 500, ""])
def test_no_label_leads_out_of_the_folder(told: Told, tmp_path: Path, label: str) -> None:
    folder = tmp_path / "deep" / "runs"
    run = record(told.backends, folder, told.began, told.ended, label)
    assert run.folder.parent == folder
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert run.label == (label[:80] or "recorded, 60 s")


def begun(folder: Path, **about: Any) -> Path:
    """A folder as a load makes it."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "client.jsonl").write_text("")
    return folder


def test_a_run_that_a_load_began_is_completed_in_its_folder(told: Told, tmp_path: Path) -> None:
    folder = begun(tmp_path / "load", began=told.began, ended=told.ended, scenario="store-down")
    store = [
        FaultWindow("store", "kill", told.began + 5, told.began + 9),
        FaultWindow("store", "pause", told.ended - 3),
    ]
    kept = complete(folder, told.began, told.ended, simulator=NOWHERE, collector=told.collector.url, extra_faults=store)
    assert "simulator was away" in kept.notes[0]
    assert {path.name for path in folder.iterdir()} == {
        "run.json", "client.jsonl", "events.json", "attempts.parquet", "requests.parquet",
    }  # fmt: skip
    ((run,), _) = recordings.recordings(tmp_path)
    assert recordings.figures(run).requests == CHATS
    assert [(band.label, band.begin, band.end) for band in recordings.picture(run).bands] == [
        ("store: kill", told.began + 5, told.began + 9), ("store: pause", told.ended - 3, None),
    ]  # fmt: skip


def test_it_is_completed_only_when_telemetry_has_settled(told: Told, tmp_path: Path) -> None:
    folder = begun(tmp_path / "load", began=told.began, ended=told.ended)
    waited: list[float] = []
    complete(
        folder, told.began, told.ended, simulator=NOWHERE, collector=told.collector.url,
        now_s=lambda: told.ended + 1.5, sleep=waited.append,
    )  # fmt: skip
    assert waited == [pytest.approx(recordings.SETTLES_S - 1.5)]


def test_without_the_collector_a_loads_folder_stays_as_it_was(told: Told, tmp_path: Path) -> None:
    folder = begun(tmp_path / "load", began=told.began, ended=told.ended)
    with pytest.raises(Away):
        complete(folder, told.began, told.ended, simulator=NOWHERE, collector=NOWHERE)
    assert {path.name for path in folder.iterdir()} == {"run.json", "client.jsonl"}


def test_who_fails_in_between_leaves_no_half_of_a_file(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begun(tmp_path / "load", began=told.began, ended=told.ended)
    monkeypatch.setattr("dashboard.recordings.rows.pages", Mock(side_effect=[[], NotKept("no")]))
    monkeypatch.setattr("dashboard.recordings.rows.write", lambda path, tables: path.write_bytes(b"half"))
    with pytest.raises(NotKept):
        complete(folder, told.began, told.ended, simulator=NOWHERE, collector=told.collector.url)
    assert {path.name for path in folder.iterdir()} == {
        "run.json", "client.jsonl", "events.json", "attempts.parquet",
    }  # fmt: skip
    ((run,), _) = recordings.recordings(tmp_path)
    assert not run.has_rows


def test_windows_that_others_know_of_stand_among_the_simulators() -> None:
    told = joined([*fault(5, 10, 0), *fault(20, 30, 0)], [("store", "kill", 7.0, 25.0), ("store", "pause", 28.0, None)])
    assert [(row["seq"], row["t"], row["event"]) for row in told] == [
        (1, 5, "started"), (2, 7, "started"), (3, 10, "ended"), (4, 20, "started"), (5, 25, "ended"),
        (6, 28, "started"), (7, 30, "ended"),
    ]  # fmt: skip
    assert [(band.label, band.begin, band.end) for band in Events(faults=told).bands(40)] == [
        ("anthropic: status 503", 5, 10), ("store: kill", 7, 25), ("anthropic: status 503", 20, 30),
        ("store: pause", 28, None),
    ]  # fmt: skip


def test_what_ships_stands_last_and_is_not_deleted(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "mine")
    write_run(tmp_path / "shipped" / "theirs", began=BEGAN + 100)
    write_run(tmp_path / "shipped" / "mine", began=BEGAN + 200)
    (tmp_path / "shipped" / "broken").mkdir()
    runs, broken = recordings.recordings(tmp_path / "runs", tmp_path / "shipped")
    assert [(run.id, run.ships) for run in runs] == [("mine", False), ("theirs", True)]
    assert [one.folder.name for one in broken] == ["broken"]
    with pytest.raises(ValueError, match="ships with the project"):
        recordings.delete(runs[1])
    assert (tmp_path / "shipped" / "theirs").exists()


def test_two_runs_of_the_same_time_and_name_stand_beside_each_other(told: Told, tmp_path: Path) -> None:
    for _ in range(2):
        record(told.backends, tmp_path, told.began, told.ended, "same")
    first, second = sorted(path.name for path in tmp_path.iterdir())
    assert second == f"{first}-2"


def test_a_run_from_a_folder_with_patterns_in_its_name_is_read(told: Told, tmp_path: Path) -> None:
    run = record(told.backends, tmp_path / "a[b]*", told.began, told.ended, "")
    assert recordings.figures(run).requests == CHATS


def test_nothing_is_kept_before_telemetry_has_settled(told: Told, tmp_path: Path) -> None:
    with pytest.raises(NotKept, match=r"another 3\.0 s"):
        record(told.backends, tmp_path, 0.0, 100.0, "", now_s=lambda: 102.0)
    with pytest.raises(NotKept, match="before it began"):
        record(told.backends, tmp_path, 100.0, 90.0, "")


def test_nothing_is_kept_without_the_collector(told: Told, tmp_path: Path) -> None:
    away = Backends(Asked("collector", NOWHERE), told.backends.service, told.backends.simulator)
    with pytest.raises(Away):
        record(away, tmp_path, told.began, told.ended, "")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(told: Told, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(NotKept, match="cannot write to"):
        record(told.backends, tmp_path / "runs", told.began, told.ended, "")


def test_who_is_killed_in_between_leaves_no_run_and_is_tidied_up_later(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(
            "dashboard.recordings.keeping.shutil.rmtree", lambda *_, **__: None
        )  # nobody cleans up after a kill
        with pytest.raises(NotKept):
            record(told.backends, tmp_path, told.began, told.ended, "", page_rows=1)
    (left,) = tmp_path.iterdir()
    assert recordings.recordings(tmp_path) == ([], [])
    run = record(told.backends, tmp_path, told.began, told.ended, "", now_s=lambda: time.time() + 2 * keeping.LEFT_S)
    assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == [run.id]


def test_the_books_take_no_kept_run_for_the_last_load(told: Told, tmp_path: Path) -> None:
    record(told.backends, tmp_path / "runs", told.began, told.ended, "")
    assert Run.latest(tmp_path) is None


def test_a_recording_begins_with_its_first_chat(told: Told) -> None:
    collector = told.backends.collector
    assert recordings.first_request(collector, told.began, told.ended) == pytest.approx(told.began + 1)
    assert recordings.first_request(collector, told.began - 50, told.began) is None


def test_what_is_no_run_is_named_with_why(tmp_path: Path) -> None:
    for name, content in {
        "1-no-json": "{",
        "2-no-begin": '{"ended": 5}',
        "3-backwards": f'{{"began": {BEGAN}, "ended": {BEGAN - 5}}}',
        "4-no-number": '{"began": NaN}',
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(content)
    (tmp_path / "5-empty").mkdir()
    half = write_run(tmp_path / "6-half")
    (half / "requests.parquet").write_bytes((half / "requests.parquet").read_bytes()[:200])
    (write_run(tmp_path / "7-one-file") / "attempts.parquet").unlink()
    with duckdb.connect() as connection:
        path = write_run(tmp_path / "8-columns") / "requests.parquet"
        connection.execute(f"COPY (SELECT 1 AS t) TO '{path}' (FORMAT parquet)")
    (tmp_path / "a-file").write_text("no run, and not taken for one")
    runs, broken = recordings.recordings(tmp_path)
    assert runs == []
    why = {one.folder.name[0]: one.why for one in broken}
    assert "run.json: Invalid JSON" in why["1"]
    assert why["2"] == "run.json: began: Field required"
    assert why["3"] == "run.json: ended is -5 s after began; expected up to a week"
    assert why["4"].startswith("run.json: ")
    assert why["5"] == "there is no run.json in it"
    assert why["6"] == "requests.parquet is no Parquet, or not all of it"
    assert why["7"] == "there is no attempts.parquet in it"
    assert "requests.parquet lacks the columns cost_nano_usd, duration_ms" in why["8"]


def test_no_folder_is_no_run(tmp_path: Path) -> None:
    assert recordings.recordings(tmp_path / "none") == ([], [])


def test_runs_stand_newest_first_with_what_their_writer_said(tmp_path: Path) -> None:
    write_run(tmp_path / "old", scenario="outage", verdict="fail", seed=7, versions={"gauntlet": "1"})
    write_run(tmp_path / "new", began=BEGAN + 100, label="mine", stages_off=["cache"])
    new, old = recordings.recordings(tmp_path)[0]
    assert (new.id, new.label, new.stages_off) == ("new", "mine", ("cache",))
    assert (old.label, old.verdict, old.seed, old.versions) == ("outage", "fail", 7, (("gauntlet", "1"),))


def test_a_picture_is_made_once_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path / "run", faults=fault(5, 10))
    made = Mock(side_effect=replay._rolled_up)
    monkeypatch.setattr(replay, "_rolled_up", made)
    for _ in range(3):
        ((run,), _) = recordings.recordings(tmp_path)
        (band,) = recordings.picture(run).bands
    assert made.call_count == 1
    assert (band.begin, band.end) == (BEGAN + 5, BEGAN + 10)
    (folder / "events.json").write_text("{}")
    ((run,), _) = recordings.recordings(tmp_path)
    assert not recordings.picture(run).bands
    assert made.call_count == 2


def test_a_run_without_its_events_file_has_none(tmp_path: Path) -> None:
    (write_run(tmp_path / "run") / "events.json").unlink()
    ((run,), _) = recordings.recordings(tmp_path)
    assert recordings.picture(run).bands == []


@pytest.mark.parametrize("content", ["{", "[]", '{"faults": [{"seq": 1}]}', '{"switches": [{"version": 1}]}'])
def test_an_events_file_that_is_something_else_is_said(tmp_path: Path, content: str) -> None:
    (write_run(tmp_path / "run") / "events.json").write_text(content)
    ((run,), _) = recordings.recordings(tmp_path)
    with pytest.raises(NoPicture, match=r"events\.json cannot be read"):
        recordings.picture(run)


def test_a_run_that_has_not_ended_has_no_picture(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps({"began": BEGAN, "ended": None, "command": "load"}))
    ((run,), _) = recordings.recordings(tmp_path)
    assert (run.label, run.has_rows, run.width_s) == ("load", False, None)
    with pytest.raises(NoPicture, match="has not ended"):
        recordings.picture(run)


def test_a_deleted_run_is_gone(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    ((run,), _) = recordings.recordings(tmp_path)
    recordings.delete(run)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NoPicture, match="cannot be read"):
        recordings.picture(run)


def events_of(*spans: tuple[float, float | None]) -> list[dict[str, Any]]:
    """Faults from when until when; the simulator's numbers begin anew with each plan."""
    made = [event for begin, end in spans for event in fault(begin, end or 0, 0)[: 1 if end is None else 2]]
    return [{**event, "seq": seq} for seq, event in enumerate(made, 1)]


def test_of_the_faults_those_are_kept_that_were_there_meanwhile() -> None:
    history = events_of((1, 2), (3, 12), (13, 18), (19, 25), (26, 30))
    kept = between(history, 10, 20)
    assert [event["t"] for event in kept] == [3, 12, 13, 18, 19]
    bands = Events(faults=kept).bands(20)
    assert [(band.begin, band.end) for band in bands] == [(3, 12), (13, 18), (19, None)]


def test_a_switch_is_marked_with_what_it_changed() -> None:
    told = [{"t": 5, "version": 2, "off": ["cache", "retry"]}, {"t": 1, "version": 1, "off": ["cache"]},
            {"t": 9, "version": 3, "off": []}, {"t": 10, "version": 4, "off": []}]  # fmt: skip
    events = Events(switches=told)
    assert [(mark.t, mark.label) for mark in events.marks()] == [
        (1, "− cache"), (5, "− retry"), (9, "+ cache, + retry"),
    ]  # fmt: skip
    assert events.off_at(6) == ["cache", "retry"]
    assert events.off_at(0) == []


def test_events_are_read_as_they_were_written() -> None:
    told = Events(fault(1, 2), [{"t": 3.5, "provider": "openai", "state": "open", "failures": 5}], [])
    assert decoded(told.encoded()) == told
    assert told.changes() == [Change(3.5, "openai", "open", 5)]


def test_what_was_stopped_is_handed_out_once_and_not_before_it_has_settled() -> None:
    now = [100.0]
    tape = Recorder(lambda: now[0])
    tape.start()
    now[0] = 130.0
    tape.start()
    tape.stop("mine")
    assert tape.take(5.0) is None
    now[0] = 135.0
    taken = tape.take(5.0)
    assert taken is not None
    assert (taken.began, taken.ended, taken.label) == (100.0, 130.0, "mine")
    assert tape.take(5.0) is None
    tape.give_back(taken, "no disk")
    assert tape.take(5.0) is None
    tape.try_again()
    assert tape.take(5.0) == taken


def logged(t: float, event: str, **attributes: Any) -> dict[str, Any]:
    """A log record of OTLP in JSON."""
    values = {
        name: {"arrayValue": {"values": [{"stringValue": item} for item in value]}}
        if isinstance(value, list)
        else {"intValue": value}
        if isinstance(value, int)
        else {"stringValue": value}
        for name, value in attributes.items()
    }
    return {
        "timeUnixNano": str(int(t * 1e9)),
        "eventName": event,
        "attributes": [{"key": name, "value": value} for name, value in values.items()],
    }


def test_circuits_and_switches_are_kept_with_what_held_before(told: Told, tmp_path: Path) -> None:
    said = [
        logged(told.began - 9, "gauntlet.breaker", provider="openai", state="open", failures=5),
        logged(told.began - 5, "gauntlet.breaker", provider="openai", state="closed", failures=0),
        logged(told.began + 5, "gauntlet.breaker", provider="anthropic", state="open", failures=5),
        logged(told.ended + 1, "gauntlet.breaker", provider="anthropic", state="closed", failures=0),
        logged(told.began - 7, "gauntlet.switches", version=1, off=["cache"]),
        logged(told.began + 7, "gauntlet.switches", version=2, off=["cache", "retry"]),
        logged(told.began + 7.1, "gauntlet.switches", version=2, off=["cache", "retry"]),
    ]
    status, _ = told.collector.post("/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": said}]}]})
    assert status == 200
    wait_for(lambda: len(told.collector.sql("from breaker_events")) == 4, "the events to be read")
    run = record(told.backends, tmp_path, told.began, told.ended, "")
    seen = recordings.picture(run)
    assert [(change.provider, change.state) for change in seen.changes] == [("openai", "closed"), ("anthropic", "open")]
    assert [(round(mark.t - told.began, 3), mark.label) for mark in seen.marks] == [(7.0, "− retry")]
    assert run.stages_off == ("cache",)


def test_the_run_that_ships_with_the_project_can_be_looked_at() -> None:
    runs, broken = recordings.listing.recordings(ROOT / "loadtests" / "recorded")
    assert (broken, [run.id for run in runs]) == ([], ["outage"])
    (run,) = runs
    assert (run.scenario, run.verdict, run.seed) == ("outage", "pass", 7)
    picture = replay.picture(run)
    assert [band.label for band in picture.bands] == ["anthropic: status 503"]
    assert replay.figures(run).requests > 900
    kept = (ROOT / "loadtests" / "recorded").rglob("*")
    assert sum(path.stat().st_size for path in kept if path.is_file()) < 300_000
