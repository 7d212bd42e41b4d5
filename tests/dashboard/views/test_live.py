"""The Live page: with data, empty, with each backend away, paused, and over a recorded run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.look.palette import ANSWERS
from tests.collector import Collector
from tests.dashboard.recording import write_run
from tests.stack import Stack
from tests.telling import Teller, attempt
from tests.waiting import at_once, eventually

App = Callable[..., AppTest]


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Collector]:
    """A collector that knows of a minute with ten answers, five of them from the cache, and two calls too many."""
    collector = Collector.start(tmp_path / "collector")
    with Teller(collector) as teller:
        for number in range(10):
            is_hit = number % 2
            teller.record(
                t=time.time() - 20 + number,
                source="cache" if is_hit else "live",
                duration_ms=100.0,
                cost_nano_usd=0 if is_hit else 2_000_000_000,
                attempts=[] if is_hit else [attempt(1, "anthropic", "m")],
            )
        teller.record(
            t=time.time() - 10,  # the page leaves out the newest seconds, of which not all may have been told
            source="provider",
            outcome="degraded",
            degraded=["anthropic:unavailable"],
            duration_ms=100.0,
            attempts=[
                attempt(1, "anthropic", "m", status="unavailable", upstream_status=503),
                attempt(2, "anthropic", "m", status="timed_out", upstream_status=None),
                attempt(3, "openai", "m"),
            ],
        )
        teller.told()
    yield collector
    collector.end()


def text(app: AppTest) -> str:
    """All that is written on the page."""
    return "\n".join(element.value for element in app.markdown)


def charts(app: AppTest) -> list[Any]:
    return list(app.get("vega_lite_chart"))


def test_it_shows_figures_charts_and_how_calls_ended(app: App, told: Collector) -> None:
    page = app("live", collector=told.url).run()
    assert not page.exception
    shown = text(page)
    for tile in ("11 in a minute", "100.0 <small>%", "9.1 <small>%", "45.5 <small>%", "0.73 <small>", "10.000 <small>"):
        assert tile in shown, tile
    assert "5 answered" in shown
    assert "1 failed" in shown
    assert "1 timed out" in shown
    assert len(charts(page)) == 9
    for meaning in ANSWERS:
        assert meaning.words in shown


def test_with_nothing_it_says_what_it_will_show_and_offers_to_make_it(app: App, tmp_path: Path) -> None:
    collector = Collector.start(tmp_path / "empty")
    try:
        page = app("live", collector=collector.url).run()
    finally:
        collector.end()
    assert not page.exception
    assert "Nothing has happened yet" in text(page)
    assert "warm-up" in " ".join(button.label for button in page.button).lower()
    assert charts(page) == []


def test_each_backend_that_is_away_is_named_and_the_rest_is_shown(app: App, told: Collector) -> None:
    page = app("live", collector=told.url).run()
    assert not page.exception
    said = " ".join(warning.value for warning in page.warning)
    assert "service is away" in said
    assert "simulator is away" in said
    assert "collector is away" not in said
    assert len(charts(page)) == 9


def test_without_the_collector_it_says_so_and_offers_no_load_that_nobody_would_see(app: App) -> None:
    page = app("live").run()
    assert not page.exception
    assert "collector is away" in " ".join(warning.value for warning in page.warning)
    assert "Nothing has happened yet" not in text(page)


def test_paused_it_stands_still_and_can_be_rewound(app: App, told: Collector) -> None:
    page = app("live", collector=told.url).run()
    button(page, "Pause").click().run()
    assert not page.exception
    assert "Paused" in page.caption[0].value
    (slider,) = page.slider
    with Teller(told) as teller:
        for _ in range(50):
            teller.record()
        teller.told()
    page.run()
    assert "50 in a minute" not in text(page)
    slider.set_value(slider.min + 30).run()
    assert not page.exception
    assert "No request ended in this span" in page.info[0].value
    button(page, "Resume").click().run()
    assert not page.slider


def button(page: AppTest, label: str) -> Any:
    (found,) = [one for one in page.button if one.label == label]
    return found


def test_a_recorded_run_is_shown_with_nobody_there(app: App, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one", label="an outage")
    page = app("live", runs=tmp_path / "runs").run()
    (chosen,) = [box for box in page.selectbox if box.label == "What to watch"]
    assert any("an outage" in option for option in chosen.options)
    chosen.select_index(1).run()
    assert not page.exception
    assert not page.warning
    assert len(charts(page)) == 8  # its calls went to one provider


async def test_an_outage_of_a_real_stack_is_told_on_its_tile(app: App, start_stack: Callable[..., Stack]) -> None:
    async with start_stack(toml="[breaker]\ncooldown_s = 60\n") as stack:
        assert stack.collector is not None
        await stack.sim.fault("anthropic", "status", status=503)
        await at_once(10, lambda n: stack.caller().chat())
        await at_once(10, lambda n: stack.caller().chat())
        page = app(
            "live",
            collector=stack.collector.url,
            service=stack.url,
            simulator=f"http://127.0.0.1:{stack.simulator_ports['control']}",
        )

        async def seen() -> bool:
            page.run()
            assert not page.exception
            assert not page.warning
            return "probe in" in text(page) and " answered" in text(page)

        await eventually(seen, "an open circuit and the answers of the other provider")
        assert "○ open" in text(page)
