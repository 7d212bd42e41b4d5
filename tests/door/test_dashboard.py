"""`from gauntlet import dashboard`: charts in a cell, and where to look, inside Colab and out of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gauntlet
from dashboard import notebook
from dashboard.settings import Settings
from door import dashboard, running
from door.errors import DoorError, UsageError
from tests.collector import Collector
from tests.telling import Teller, attempt

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A running workbench of which only the collector is left; it knows of three chats."""
    collector = Collector.start(tmp_path / "collector")
    with Teller(collector) as teller:
        for source in ("live", "cache", "provider"):
            calls = [] if source == "cache" else [attempt(1, "anthropic", "m")]
            teller.record(t=time.time() - 10, source=source, attempts=calls)
        teller.told()
    monkeypatch.setattr(
        running, "url", lambda name, environ: collector.url if name == "collector" else f"{NOWHERE}/{name}"
    )
    yield collector
    collector.end()


def test_the_panels_are_one_chart_that_altair_takes(told: Collector, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = dashboard.live("3 min").to_dict()  # altair holds it against Vega-Lite's schema
    titles = [panel["title"]["text"] for panel in drawn["vconcat"]]
    assert titles[:3] == ["Where answers came from", "Circuits", "Calls to anthropic"]
    assert "Amplification" in titles
    rows = drawn["vconcat"][0]["data"]["values"]
    assert {row["series"] for row in rows if row["kind"] == "value" and row["value"]} == {
        "live, primary",
        "cache",
        "other provider",
    }
    assert "3 chat requests in the last 3 min" in capsys.readouterr().out


def test_from_gauntlet_it_is_had_when_asked_for() -> None:
    assert gauntlet.dashboard is dashboard


@pytest.mark.parametrize("last", ["3 hours", "min", "-1 s", "16 min", "0 s"])
def test_a_length_of_time_that_cannot_be_shown_is_refused(told: Collector, last: str) -> None:
    with pytest.raises(UsageError, match=r"no length of time|last 15 minutes"):
        dashboard.live(last)


def test_without_a_collector_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "url", lambda name, environ: NOWHERE)
    with pytest.raises(DoorError, match="collector does not answer"):
        dashboard.live()


def test_nothing_yet_is_an_empty_chart_and_no_error(tmp_path: Path) -> None:
    collector = Collector.start(tmp_path / "collector")
    try:
        settings = Settings(collector=collector.url, service=NOWHERE, simulator=NOWHERE)
        chart, figures = notebook.live(settings)
    finally:
        collector.end()
    assert figures.requests == 0
    assert chart.to_dict()["vconcat"]


def test_show_says_where_the_dashboard_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(running, "url", lambda name, environ: "http://127.0.0.1:8501")
    dashboard.show()
    assert "http://127.0.0.1:8501" in capsys.readouterr().out


def test_in_colab_it_tries_the_kernels_port_and_says_how_to_look_otherwise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[int, dict[str, Any]]] = []
    colab, output = ModuleType("google.colab"), ModuleType("google.colab.output")
    output.serve_kernel_port_as_iframe = lambda port, **more: asked.append((port, more))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    monkeypatch.setattr(running, "url", lambda name, environ: "http://127.0.0.1:8501")
    dashboard.show()
    assert asked == [(8501, {"height": dashboard.HEIGHT_PX})]
    assert "dashboard.live()" in capsys.readouterr().out
