"""The Experiments page: without runs, with one, with several over each other, and while runs are made."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.feed import rollup
from dashboard.feed.figures import series
from dashboard.feed.picture import Picture
from dashboard.recordings import picture, recorder, recordings
from dashboard.recordings.recorder import Taken
from dashboard.views import experiments_overlay
from dashboard.views.experiments import CHOSEN
from dashboard.views.experiments_overlay import CHARTS, since_begin
from tests.collector import Collector
from tests.dashboard.recording import BEGAN, fault, write_run
from tests.telling import Teller, attempt

App = Callable[..., AppTest]
CHATS = 30


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One that was told of chats in the last minute."""
    collector = Collector.start(tmp_path_factory.mktemp("collector"))
    with Teller(collector) as teller:
        now = time.time()
        for number in range(CHATS):
            teller.record(t=now - 50 + number, source="live", attempts=[attempt(0, "anthropic", "m")])
        teller.told()
    yield collector
    collector.end()


@pytest.fixture(scope="module")
def empty_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One that was told nothing."""
    collector = Collector.start(tmp_path_factory.mktemp("empty"))
    yield collector
    collector.end()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A run where all went well, and one where half failed, at twice the calls and four times the duration."""
    folder = tmp_path / "runs"
    write_run(folder / "well", label="all *on*", faults=fault(5, 10))
    write_run(
        folder / "ill", label="retry off", began=BEGAN - 100, failed=20, calls=2, ms=400, nano_usd=2_000_000,
        faults=fault(6, 11, BEGAN - 100), verdict="fail", scenario="outage", seed=7, notes=["Something to know."],
    )  # fmt: skip
    return folder


def text_of(page: AppTest) -> str:
    """All that the page says outside of its tables."""
    elements = [page.markdown, page.caption, page.info, page.warning, page.error, page.success, page.subheader]
    return "\n".join(str(element.value) for group in elements for element in group)


def charts_of(page: AppTest) -> list[Any]:
    """The charts' specifications."""
    return [json.loads(chart.proto.spec) for chart in page.get("vega_lite_chart")]


def ran(page: AppTest) -> AppTest:
    """The page once drawn, without an exception."""
    page.run()
    assert not page.exception
    return page


def test_without_runs_it_says_what_it_will_show_and_how_to_make_one(app: App, empty_collector: Collector) -> None:
    page = ran(app("experiments", collector=empty_collector.url))
    assert "Choose one for its charts" in text_of(page)
    assert "is kept by itself, with its verdict" in text_of(page)
    assert {"experiments_keep", "experiments_start"} <= {button.key for button in page.button}
    assert any("warm_up" in str(button.key) for button in page.button)
    assert not charts_of(page)


def test_with_everybody_away_the_runs_are_shown_and_recording_says_who_is_missing(app: App, runs: Path) -> None:
    page = ran(app("experiments", runs=runs))
    assert "The collector is away" in text_of(page)
    assert "Nothing can be recorded without it" in text_of(page)
    assert "experiments_keep" not in {button.key for button in page.button}
    assert len(charts_of(page)) > 5


def test_the_list_has_each_runs_figures(app: App, runs: Path) -> None:
    table = ran(app("experiments", runs=runs)).dataframe[0].value.set_index("Run")
    assert list(table.index) == ["all *on*", "retry off"]
    assert table.loc["all *on*", "Length"] == "20 s"
    assert table.loc["retry off", ["Requests", "Success, %", "Calls / request"]].tolist() == [40, 50.0, 2.0]
    assert table.loc["all *on*", "p95, ms"] == pytest.approx(100, rel=0.03)
    assert table.loc["retry off", "USD"] == pytest.approx(40 * 0.002)
    assert table["Verdict"].tolist() == ["–", "✗ failed"]
    assert table["Kept"].tolist() == ["requests, calls", "requests, calls"]


def test_the_newest_run_is_shown_with_its_charts_and_figures(app: App, runs: Path) -> None:
    page = ran(app("experiments", runs=runs))
    assert page.multiselect[0].value == ["well"]
    assert r"**all \*on\***" in text_of(page)
    shown = page.table[0].value.set_index("Figure")["Value"]
    assert (shown["Requests"], shown["Success, %"], shown["Calls per request"]) == ("40", "100.0", "1.00")


def test_another_run_is_shown_with_what_its_writer_said(app: App, runs: Path) -> None:
    page = ran(app("experiments", runs=runs))
    page.multiselect[0].set_value(["ill"])
    ran(page)
    assert "scenario outage · seed 7 · ✗ failed" in text_of(page)
    assert "Something to know." in text_of(page)


def test_an_address_that_names_a_run_shows_it_first(app: App, runs: Path) -> None:
    page = app("experiments", runs=runs)
    page.query_params["run"] = "ill"
    assert ran(page).multiselect[0].value == ["ill"]
    assert "run" not in page.query_params
    page.multiselect[0].set_value(["well"])
    assert ran(page).multiselect[0].value == ["well"]


def test_two_runs_are_drawn_over_each_other(app: App, runs: Path) -> None:
    page = ran(app("experiments", runs=runs))
    page.multiselect[0].set_value(["well", "ill"])
    specs = charts_of(ran(page))
    assert len(specs) == len(CHARTS)
    for spec in specs:
        assert spec["encoding"]["x"]["scale"]["domain"] == [0, 20]
        (line,) = (layer for layer in spec["layer"] if layer["mark"]["type"] == "line")
        assert line["encoding"]["color"]["scale"]["domain"] == ["A", "B"]
        assert (
            line["encoding"]["strokeDash"]["scale"]["range"][0] != line["encoding"]["strokeDash"]["scale"]["range"][1]
        )
    windows = page.dataframe[1].value
    assert windows.values.tolist()[0][:2] == ["A", "anthropic: status 503"]
    assert windows[["Run", "From, s", "Until, s"]].values.tolist() == [["A", 5.0, 10.0], ["B", 6.0, 11.0]]


def test_the_first_runs_windows_are_shaded_and_those_of_others_outlined(runs: Path) -> None:
    by_id = {run.id: picture(run) for run in recordings(runs)[0]}
    beside = experiments_overlay._beside({"A": by_id["well"], "B": by_id["ill"]})
    assert beside[["kind", "s", "s2", "run"]].values.tolist() == [["band", 5, 10, "A"], ["outline", 6, 11, "B"]]


def test_their_differences_are_told_by_number_sign_and_word(app: App, runs: Path) -> None:
    page = ran(app("experiments", runs=runs))
    page.multiselect[0].set_value(["well", "ill"])
    table = ran(page).table[0].value.set_index("Figure")
    assert table.columns.tolist() == ["A", "B", "B − A"]
    assert table.loc["Requests"].tolist() == ["40", "40", "= same"]
    assert table.loc["Success, %"].tolist() == ["100.0", "50.0", "−50.0 points (−50 %) ✗ worse"]
    assert table.loc["Calls per request"].tolist() == ["1.00", "2.00", "+1.00 (+100 %) ✗ worse"]
    assert table.loc["Cost per minute, USD/min"].tolist() == [
        "0.1200", "0.2400", "+0.1200 USD/min (+100 %) ✗ worse",
    ]  # fmt: skip
    assert table.loc["p95, ms", "B − A"].endswith("%) ✗ worse")
    assert table.loc["First token, p50, ms"].tolist() == ["–", "–", "–"]


def test_the_first_chosen_is_what_others_are_compared_with(app: App, runs: Path) -> None:
    page = ran(app("experiments", runs=runs))
    page.multiselect[0].set_value(["ill", "well"])
    table = ran(page).table[0].value.set_index("Figure")
    assert table.loc["Success, %", "B − A"] == "+50.0 points (+100 %) ✓ better"


def test_what_cannot_be_read_is_named(app: App, runs: Path) -> None:
    (runs / "half").mkdir()
    (runs / "half" / "run.json").write_text("{")
    assert "`half`: run.json: Invalid JSON" in text_of(ran(app("experiments", runs=runs)))


def test_a_run_that_cannot_be_drawn_says_why_and_the_rest_goes_on(app: App, runs: Path) -> None:
    (runs / "ill" / "events.json").write_text("{")
    page = ran(app("experiments", runs=runs))
    page.multiselect[0].set_value(["ill", "well"])
    assert "**retry off**: events.json cannot be read" in text_of(ran(page))
    assert charts_of(page)


def books_only(folder: Path, **about: Any) -> None:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"command": "gauntlet load outage", **about}))
    (folder / "client.jsonl").write_text("")


def test_of_a_run_with_books_only_the_collector_is_asked(app: App, collector: Collector, tmp_path: Path) -> None:
    books_only(tmp_path / "runs" / "load", began=time.time() - 70, ended=time.time() - 5)
    page = ran(app("experiments", collector=collector.url, runs=tmp_path / "runs"))
    assert page.dataframe[0].value["Kept"].tolist() == ["books only"]
    assert page.table[0].value.set_index("Figure").loc["Requests", "Value"] == f"{CHATS}"


@pytest.mark.parametrize("away", [True, False])
def test_where_it_knows_nothing_of_that_time_only_the_books_are_there(
    app: App, empty_collector: Collector, tmp_path: Path, away: bool
) -> None:
    books_only(tmp_path / "runs" / "load", began=time.time() - 70, ended=time.time() - 5)
    given = {} if away else {"collector": empty_collector.url}
    page = ran(app("experiments", runs=tmp_path / "runs", **given))
    assert "**gauntlet load outage**: Only its books are there" in text_of(page)
    assert not charts_of(page)


def test_a_run_that_has_not_ended_is_listed_and_says_so(app: App, tmp_path: Path) -> None:
    books_only(tmp_path / "runs" / "load", began=BEGAN)
    page = ran(app("experiments", runs=tmp_path / "runs"))
    assert page.dataframe[0].value[["Length", "Kept"]].values.tolist() == [["not ended", "books, not ended"]]
    assert "It has not ended" in text_of(page)


def test_the_last_minutes_are_kept_under_a_name_and_shown(app: App, collector: Collector, tmp_path: Path) -> None:
    page = ran(app("experiments", collector=collector.url, runs=tmp_path / "runs"))
    page.text_input(key="experiments_name").set_value("mine")
    page.button(key="experiments_keep").click()
    ran(page)
    ((run,), _) = recordings(tmp_path / "runs")
    assert run.label == "mine"
    assert page.multiselect[0].value == [run.id]
    assert f"Kept as `{run.id}`" in text_of(page)
    assert page.dataframe[0].value["Requests"].tolist() == [CHATS]


def test_nothing_is_kept_of_minutes_in_which_nothing_happened(
    app: App, empty_collector: Collector, tmp_path: Path
) -> None:
    page = ran(app("experiments", collector=empty_collector.url, runs=tmp_path / "runs"))
    page.button(key="experiments_keep").click()
    assert "there is nothing to keep" in text_of(ran(page))
    assert recordings(tmp_path / "runs") == ([], [])


def test_a_recording_is_started_stopped_and_kept_once_settled(app: App, collector: Collector, tmp_path: Path) -> None:
    page = ran(app("experiments", collector=collector.url, runs=tmp_path / "runs"))
    page.button(key="experiments_start").click()
    assert "**Recording** for" in text_of(ran(page))
    page.button(key="experiments_stop").click()
    assert "Stopped. It is kept in 5 s" in text_of(ran(page))
    tape = recorder.recorder()
    tape.stopped = Taken(time.time() - 70, time.time() - 6, "taken")  # as if it had been then
    page = ran(page)
    ((run,), _) = recordings(tmp_path / "runs")
    assert run.label == "taken"
    assert page.multiselect[0].value == [run.id]
    assert tape.stopped is None


def test_a_recording_that_cannot_be_kept_may_be_tried_again_or_dropped(
    app: App, collector: Collector, tmp_path: Path
) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    page = app("experiments", collector=collector.url, runs=tmp_path / "runs")
    tape = recorder.recorder()
    tape.stopped = Taken(time.time() - 70, time.time() - 6, "taken")
    assert "It could not be kept: cannot write to" in text_of(ran(page))
    (tmp_path / "runs").unlink()
    page.button(key="experiments_again").click()
    ran(page)
    assert len(recordings(tmp_path / "runs")[0]) == 1
    tape.give_back(Taken(1.0, 2.0, ""), "why")
    ran(page).button(key="experiments_drop").click()
    assert "could not be kept" not in text_of(ran(page))


def test_runs_are_deleted_once_that_is_confirmed(app: App, runs: Path) -> None:
    page = ran(app("experiments", runs=runs))
    assert "Delete this run" in text_of(page)
    page.button(key="experiments_delete").click()
    page = ran(page)
    assert [run.id for run in recordings(runs)[0]] == ["ill"]
    assert page.session_state[CHOSEN] == []


def test_without_the_admin_key_nothing_is_recorded_or_deleted(app: App, runs: Path) -> None:
    page = ran(app("experiments", runs=runs, profile="live"))
    assert "need the admin key" in text_of(page)
    assert not [button for button in page.button if str(button.key).startswith("experiments")]
    assert charts_of(page)


def judged(folder: Path, **more: Any) -> None:
    """As a load writes it."""
    held: dict[str, Any] = {
        "measure": "p99_ms",
        "during": [],
        "callers": "quiet",
        "kind": None,
        "target": None,
        "unit": "ms",
    }
    missed: dict[str, Any] = {
        "measure": "provider_calls",
        "during": ["outage", "after"],
        "target": "anthropic",
        "unit": "count",
    }
    rows = [
        {**held, "bound": "<= 5,000 ms", "measured": 812.0, "said": "812 ms", "passed": True, "why": "Nobody waits."},
        {**missed, "bound": "<= 12", "measured": 31, "passed": False, "why": "The *breaker* opens."},
        {"measure": "recovery_s", "during": "after", "bound": "<= 40 s", "measured": None, "passed": None, "why": None},
    ]
    document = {"verdict": "fail", "reason": None, "expectations": rows, "books": "balanced", **more}
    (folder / "verdict.json").write_text(json.dumps(document))


def test_a_run_of_a_scenario_is_listed_with_its_verdict(app: App, runs: Path) -> None:
    table = ran(app("experiments", runs=runs)).dataframe[0].value.set_index("Run")
    assert table.loc["retry off", ["Scenario", "Verdict"]].tolist() == ["outage", "✗ failed"]


def test_its_expectations_stand_under_it_those_that_failed_first(app: App, runs: Path) -> None:
    judged(runs / "well")
    (runs / "well" / "report.html").write_text("<h1>All of it</h1>")
    page = ran(app("experiments", runs=runs))
    assert ":red[**✗ failed**] · 1 of 3 expectations hold · books: balanced" in text_of(page)
    assert page.table[0].value.values.tolist() == [
        ["✗ failed", "provider calls, anthropic", "outage and after", r"\<= 12", "31 count", r"The \*breaker\* opens."],
        ["? not judged", "recovery s", "after", r"\<= 40 s", "nothing", ""],
        ["✓ held", "p99 ms, for quiet", "the whole run", r"\<= 5,000 ms", "812 ms", "Nobody waits."],
    ]
    assert f"`{runs / 'well' / 'report.html'}`" in text_of(page)
    assert [button.proto.label for button in page.get("download_button")] == ["Report, HTML"]


@pytest.mark.parametrize("content", ["{", "[]", '{"verdict": "pass", "expectations": [{}]}'])
def test_a_verdict_that_cannot_be_read_is_said_and_the_charts_are_there(app: App, runs: Path, content: str) -> None:
    (runs / "well" / "verdict.json").write_text(content)
    page = ran(app("experiments", runs=runs))
    assert "verdict.json cannot be read" in text_of(page).replace("\\", "")
    assert charts_of(page)


def test_a_run_that_was_not_judged_says_why(app: App, runs: Path) -> None:
    judged(runs / "well", verdict="unknown", reason="the load generator is saturated", expectations=[])
    assert ":orange[**? not judged**] · books: balanced · the load generator is saturated" in text_of(
        ran(app("experiments", runs=runs))
    )


def test_what_was_predicted_stands_beside_what_came(app: App, runs: Path) -> None:
    row = {"words": "How *many* get an answer?", "predicted_said": "50 %", "measured_said": "99.3 %"}
    (runs / "well" / "prediction.json").write_text(json.dumps([{**row, "nearness": "49.3 points off", "measured": 1}]))
    page = ran(app("experiments", runs=runs))
    assert "Predicted, then run" in text_of(page)
    assert page.table[0].value.values.tolist() == [
        [r"How \*many\* get an answer?", "50 %", "99.3 %", "49.3 points off"]
    ]


@pytest.mark.parametrize("content", ["{", '[{"words": 1}]'])
def test_a_prediction_that_cannot_be_read_is_said_and_the_charts_are_there(app: App, runs: Path, content: str) -> None:
    (runs / "well" / "prediction.json").write_text(content)
    page = ran(app("experiments", runs=runs))
    assert "prediction.json cannot be read" in text_of(page).replace("\\", "")
    assert charts_of(page)


def test_what_was_judged_is_shown_where_nothing_can_be_drawn(app: App, tmp_path: Path) -> None:
    books_only(tmp_path / "runs" / "load", began=BEGAN, ended=BEGAN + 20, scenario="outage", verdict="fail")
    judged(tmp_path / "runs" / "load")
    page = ran(app("experiments", runs=tmp_path / "runs"))
    assert "Only its books are there" in text_of(page)
    assert len(page.table[0].value) == 3


def test_a_fault_of_the_store_is_a_band_too(app: App, tmp_path: Path) -> None:
    kill = {"index": 1, "target": "store", "fault": "kill", "params": {}, "match": {}, "share": 1.0}
    store = [
        {"seq": seq, "t": BEGAN + t, "event": event, "reason": "plan", "fault": kill}
        for seq, t, event in ((3, 12, "started"), (4, 15, "ended"))
    ]
    write_run(tmp_path / "runs" / "one", faults=[*fault(5, 10), *store])
    page = ran(app("experiments", runs=tmp_path / "runs"))
    (run,) = recordings(tmp_path / "runs")[0]
    assert [(band.label, band.begin - BEGAN, band.end) for band in picture(run).bands] == [
        ("anthropic: status 503", 5, BEGAN + 10), ("store: kill", 12, BEGAN + 15),
    ]  # fmt: skip
    assert charts_of(page)


def test_what_ships_is_listed_last_and_said_to_and_not_deleted(app: App, runs: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "shipped" / "theirs", began=BEGAN + 500, label="theirs")
    page = ran(app("experiments", runs=runs, shipped=tmp_path / "shipped"))
    table = page.dataframe[0].value
    assert table["Run"].tolist() == ["all *on*", "retry off", "theirs"]
    assert table["Kept"].tolist()[-1] == "requests, calls; ships"
    assert "What is listed below ships" not in text_of(page)
    page.multiselect[0].set_value(["theirs", "well"])
    ran(page)
    assert "ships with the project" in text_of(page)
    page.button(key="experiments_delete").click()
    ran(page)
    assert [run.id for run in recordings(runs, tmp_path / "shipped")[0]] == ["ill", "theirs"]


def test_where_nothing_else_is_what_ships_is_shown_and_said_to(app: App, tmp_path: Path) -> None:
    write_run(tmp_path / "shipped" / "theirs", label="theirs")
    page = ran(app("experiments", shipped=tmp_path / "shipped"))
    assert "What is listed below ships with the project" in text_of(page)
    assert "Nothing was recorded here yet" in text_of(page)
    assert charts_of(page)
    assert "experiments_delete" not in {button.key for button in page.button}


def test_it_stands_beside_the_sidebar(app: App, collector: Collector, runs: Path) -> None:
    script = """
import streamlit as st
from dashboard.control import sidebar
from dashboard.views import experiments
with st.sidebar:
    sidebar.show()
experiments.show()
"""
    page = ran(app("experiments", collector=collector.url, runs=runs, script=script))
    page.button(key="experiments_start").click()
    assert "**Recording** for" in text_of(ran(page))


def test_curves_and_bands_of_a_run_have_the_same_zero() -> None:
    odd = Picture(1_800_000_001, 1_800_001_801, rollup.empty())  # a step is 10 s here: the first begins 9 s later
    table = since_begin(series(odd), odd)
    assert table["s"].iloc[0] == 9
