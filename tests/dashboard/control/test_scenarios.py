"""The sidebar's load: a scenario or the warm-up, by AppTest over a fake program that speaks as the command does."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import settings
from dashboard.control import command
from dashboard.control.child import Patience
from dashboard.control.command import Scenario, catalogue
from dashboard.control.conductor import CannotStart, Conductor, conductor
from dashboard.control.warm_up import warm_up
from dashboard.settings import Settings
from tests.root import ROOT
from tests.waiting import wait_for

FAKE = Path(__file__).with_name("fake_load.py")
LOAD = "from dashboard.control import load\nload.show()"
BUTTON = "from dashboard.control import warm_up\nwarm_up.show_button('try')"
LOOPBACK = "http://127.0.0.1:9"
App = Callable[..., AppTest]


@pytest.fixture
def conducted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Conductor]:
    """The process's own, over the fake; ended with the test."""
    for cached in (conductor, catalogue, warm_up):
        cached.cache_clear()
    monkeypatch.setattr(command, "command", lambda *words: [sys.executable, str(FAKE), str(tmp_path), *words])
    monkeypatch.setenv("FAKE_PACE", "10")
    found = conductor()
    found.patience = Patience(stop_s=5, term_s=1, silent_s=30)
    yield found
    if found.child is not None:
        found.child.end(1.0)
    client = warm_up()
    client.end()
    for cached in (conductor, catalogue, warm_up):
        cached.cache_clear()


def said(at: AppTest) -> str:
    assert not at.exception
    groups = (at.markdown, at.caption, at.warning, at.error)
    return "\n".join(str(element.value) for group in groups for element in group)


def notes(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "said.jsonl").read_text().splitlines()]


def buttons(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def kinds(at: AppTest) -> list[str]:
    """The segmented controls that are drawn."""
    return [group.key or "" for group in at.button_group]


def chosen(app: App, name: str, **more: Any) -> AppTest:
    """The section with that scenario chosen."""
    at = app("", script=LOAD, service=LOOPBACK, **more).run()
    at.button_group(key="load_kind").set_value("Scenario").run()
    at.selectbox(key="scenario_name").set_value(name).run()
    assert not at.exception
    return at


def started(app: App, conducted: Conductor, name: str, length: str = "full") -> AppTest:
    """It runs, and has said how it goes."""
    at = chosen(app, name)
    at.button_group(key="scenario_length").set_value(length).run()
    at.button(key="scenario_start").click().run()
    child = conducted.child
    assert child is not None
    wait_for(lambda: child.progress is not None, "progress")
    return at.run()


def test_the_warm_up_is_what_stands_there_first(app: App, conducted: Conductor) -> None:
    at = app("", script=LOAD, service=LOOPBACK).run()
    assert (kinds(at), buttons(at)) == (["load_kind"], ["Start"])
    assert at.slider[0].label == "Chats per second"


def test_the_scenarios_are_offered_with_title_and_length(app: App, conducted: Conductor) -> None:
    at = chosen(app, "bad")
    assert at.selectbox(key="scenario_name").options[:2] == ["The good one", "The bad one"]
    assert at.button_group(key="scenario_length").options == ["Short, 20 s", "Full, 1:30 min"]
    assert "Something." in said(at)
    assert not at.slider


@pytest.mark.parametrize("is_short", [True, False])
def test_it_starts_the_command_with_what_the_dashboard_watches(
    app: App, conducted: Conductor, tmp_path: Path, is_short: bool
) -> None:
    at = chosen(app, "good")
    if not is_short:
        at.button_group(key="scenario_length").set_value("full").run()
    at.button(key="scenario_start").click().run()
    child = conducted.child
    assert child is not None
    wait_for(lambda: child.started is not None, "its start")
    (note,) = [row for row in notes(tmp_path) if row.get("words", ["--list"])[0] != "--list"]
    urls = ["--service", LOOPBACK, "--simulator", LOOPBACK, "--collector", LOOPBACK]
    assert note["words"] == ["good", "--json", *(["--for", "20"] if is_short else []), *urls]
    assert (note["home"], note["cwd"]) == (str(tmp_path), str(ROOT))


def test_while_it_runs_it_tells_and_neither_other_load_is_offered(app: App, conducted: Conductor) -> None:
    at = started(app, conducted, "good")
    assert "**The good one** · seed 7" in said(at)
    assert (kinds(at), buttons(at)) == (["scenario_scale_0"], ["Stop"])
    child = conducted.child
    assert child is not None
    wait_for(lambda: child.progress is not None and child.progress.faults != (), "the outage")
    at.run()
    assert "anthropic: status 503" in said(at)
    (shown,) = [str(element.proto.body) for element in at.get("html")]
    for words in ("20.0 <small>/s", "99.1 <small>%", "40.0 <small>%", "812 <small>ms", "3 in flight"):
        assert words in shown
    warm_up().start()
    assert warm_up().load is None


def test_another_session_sees_it_too_and_its_pages_offer_no_warm_up(app: App, conducted: Conductor) -> None:
    started(app, conducted, "good")
    assert "**The good one**" in said(app("", script=LOAD, service=LOOPBACK).run())
    at = app("", script=BUTTON, service=LOOPBACK).run()
    assert "A load scenario runs, The good one" in said(at)
    assert not at.button


def test_it_is_scaled_and_stopped(app: App, conducted: Conductor, tmp_path: Path) -> None:
    at = started(app, conducted, "good")
    at.button_group(key="scenario_scale_0").set_value(2.0).run()
    assert at.run().button_group(key="scenario_scale_0").value == 2.0
    child = conducted.child
    assert child is not None
    wait_for(lambda: child.progress is not None and child.progress.scale == 2.0, "the scale")
    at.button(key="scenario_stop").click().run()
    assert child.wait(30)
    assert [row["told"] for row in notes(tmp_path) if "told" in row] == ["scale 2", "stop"]
    assert "**Not judged** · The good one" in said(at.run())
    assert "it was stopped early" in said(at)


def test_what_another_session_scaled_stands_in_this_one(app: App, conducted: Conductor) -> None:
    at = started(app, conducted, "good")
    conducted.scale(4)
    assert at.run().button_group(key="scenario_scale_1").value == 4.0


def test_one_that_hangs_is_stopped_and_ended_at_once(app: App, conducted: Conductor) -> None:
    at = chosen(app, "hang")
    at.button(key="scenario_start").click().run()
    child = conducted.child
    assert child is not None
    wait_for(lambda: child.started is not None, "its start")
    at.button(key="scenario_stop").click().run()
    assert buttons(at) == ["End at once"]
    at.button(key="scenario_end").click().run()
    assert child.wait(30)
    assert "**The hang one**: it was ended." in said(at.run())


def test_a_failed_verdict_says_what_failed_and_leads_to_the_run(app: App, conducted: Conductor) -> None:
    at = started(app, conducted, "bad", "short")
    child = conducted.child
    assert child is not None
    assert child.wait(30)
    text = said(at.run())
    assert "**Failed** · The bad one" in text
    assert "1 of 2 expectations hold, books balanced." in text
    assert r"success share during outage: **50 %**, expected \>= 99 %. *Half of the callers must not notice.*" in text
    assert at.selectbox(key="scenario_name").value == "bad"
    assert buttons(at) == ["Start"]
    (link,) = at.get("page_link")
    assert (link.proto.label, link.proto.query_string) == ("Look at the run", "run=20260101-000000")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("refused", r"**The refused one** was refused: another run is under way: \*20260101\*"),
        ("crash", "**The crash one**: it ended without a verdict (exit code 1): ZeroDivisionError: by nothing."),
        ("unjudged", "the load generator is saturated"),
        ("garbage", "lines of what it said could not be understood"),
    ],
)
def test_what_it_came_to_is_told(app: App, conducted: Conductor, name: str, words: str) -> None:
    at = chosen(app, name)
    at.button(key="scenario_start").click().run()
    assert conducted.child is not None
    assert conducted.child.wait(60)
    assert words in said(at.run())
    assert "Start" in buttons(at)


def test_while_the_warm_up_runs_no_scenario_starts(app: App, conducted: Conductor) -> None:
    at = app("", script=LOAD, service=LOOPBACK).run()
    at.button(key="warm_up_start").click().run()
    assert warm_up().runs
    assert (kinds(at), buttons(at)) == ([], ["Stop"])
    (scenario,) = [one for one in catalogue().scenarios(settings.current()) if one.name == "good"]
    conducted.start(scenario, is_short=True, unless=lambda: warm_up().runs)
    assert conducted.child is None


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; sys.exit('gauntlet: there is no verb load')", "ended with 1: gauntlet: there is no verb load"),
        ("print('hello')", "is no list of scenarios"),
        ("print('[]')", "knows no scenario"),
        ("print('[{\"name\": 1}]')", "is no list of scenarios"),
    ],
)
def test_where_there_is_no_list_it_says_why_and_can_be_asked_again(
    app: App, conducted: Conductor, monkeypatch: pytest.MonkeyPatch, program: str, why: str
) -> None:
    working = command.command
    monkeypatch.setattr(command, "command", lambda *_: [sys.executable, "-c", program])
    at = app("", script=LOAD, service=LOOPBACK).run()
    at.button_group(key="load_kind").set_value("Scenario").run()
    assert why in said(at).replace("\\", "")
    assert buttons(at) == ["Look again"]
    monkeypatch.setattr(command, "command", working)
    at.button(key="scenario_again").click().run()
    assert at.run().selectbox(key="scenario_name").value == "good"


def test_in_the_live_profile_there_is_none(app: App, conducted: Conductor) -> None:
    at = app("", script=LOAD, service=LOOPBACK, profile="live").run()
    assert "--max-usd" in said(at)
    assert not at.button
    with pytest.raises(CannotStart, match="real money"):
        conducted.start(Scenario(name="x", title="X", duration_s=1, short_s=1), is_short=True)


def test_in_the_bench_profile_it_needs_the_admin_key(app: App, conducted: Conductor) -> None:
    at = chosen(app, "good", profile="bench")
    assert at.button(key="scenario_start").disabled
    assert "admin key" in said(at)
    (good, *_) = catalogue().scenarios(settings.current())
    conducted.start(good, is_short=True)
    at.run()
    assert at.button(key="scenario_stop").disabled


def test_load_goes_to_this_machine_only(app: App, conducted: Conductor) -> None:
    at = app("", script=LOAD, service="http://service:8000").run()
    at.button_group(key="load_kind").set_value("Scenario").run()
    assert "this machine only" in said(at)
    assert "`http://service:8000`" in said(at)
    assert not at.button


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:8000", "http://127.1.2.3"]
)
def test_loopback_is_this_machine(url: str) -> None:
    assert command.why_not(Settings(service=url)) is None


@pytest.mark.parametrize("url", ["http://service:8000", "http://10.0.0.1", "https://127.0.0.1.example.org", "nonsense"])
def test_everything_else_is_another(url: str) -> None:
    assert command.why_not(Settings(service=url)) is not None


def test_a_folder_in_which_no_load_keeps_its_run_is_said() -> None:
    assert "GAUNTLET_RUNS" in str(command.why_not(replace(Settings(), runs=Path("/data/other"))))


def test_the_command_is_the_doors() -> None:
    assert command.command("--list") == [sys.executable, "-m", "gauntlet", "load", "--list"]
    assert command.environment(Settings(runs=Path("/data/runs"))) == {**os.environ, "GAUNTLET_HOME": "/data"}
