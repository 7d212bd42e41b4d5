"""Charts of a run, and of several in one: what is drawn, where it stands, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from loadtests.verdict import charts, overlays, plots
from loadtests.verdict.evidence import Band
from loadtests.verdict.frame import PLOT_PX, Frame
from loadtests.verdict.looks import CAME_OF
from loadtests.verdict.plots import Chart, milliseconds
from loadtests.verdict.series import Steps
from loadtests.verdict.told import Predicted, Told
from tests.loadtests.verdict import made

SHORT = made.outage(rate_per_s=20, calm_s=10, outage_s=30, after_s=30)


@pytest.fixture(scope="module")
def told() -> Told:
    return made.told(scenario=SHORT)


def titled(drawn: Sequence[Chart], words: str) -> Chart:
    return next(chart for chart in drawn if words in chart.title)


def legend(chart: Chart) -> list[str]:
    return [look.words for look in chart.legend]


def test_the_legend_counts_what_came_in_the_order_in_which_it_is_stacked(told: Told) -> None:
    found = legend(titled(charts.of_run(told), "Requests per second"))
    assert [words.partition(":")[0] for words in found] == [
        look.words for look in CAME_OF.values() if any(words.startswith(look.words) for words in found)
    ]
    assert sum(int(words.rpartition(" ")[2].replace(",", "")) for words in found) == len(told.evidence.entries)


def test_what_is_done_later_has_a_chart_where_there_is_any(told: Told) -> None:
    words = "Jobs and runs of the agent"
    assert not any(words in chart.title for chart in charts.of_run(told))
    began = told.evidence.began
    asked = [
        replace(told.evidence.entries[0], t=began + at_s, kind="job", subject_id="job_1", state=state)
        for at_s, state in ((5.0, "queued"), (12.0, "running"), (40.0, "completed"))
    ]
    kill = Band("worker", "worker: killed with -9", began + 20, began + 20.1)
    evidence = replace(told.evidence, entries=[*told.evidence.entries, *asked], bands=[kill])
    drawn = charts.of_run(replace(told, evidence=evidence))
    assert legend(titled(drawn, words)) == ["queued: at most 1", "running: at most 1"]
    assert "worker: killed with -9, from 20 s to 20 s" in drawn[0].svg


def test_every_chart_has_the_same_margins_and_the_bands_at_the_same_place(told: Told) -> None:
    drawn = charts.of_run(told)
    widths = {re.findall(r'viewBox="0 0 (\d+)', chart.svg)[0] for chart in drawn}
    assert len(widths) == 1
    begins, ends = 10 / 70 * PLOT_PX, 40 / 70 * PLOT_PX
    for chart in drawn:
        found = [(float(begin), float(width)) for begin, width in re.findall(r'd="M([\d.]+),0h([\d.]+)v', chart.svg)]
        assert pytest.approx((begins, ends - begins), abs=0.2) in found, chart.title


def test_faults_are_named_once_on_top_and_in_their_own_lanes(told: Told) -> None:
    began = told.evidence.began
    bands = [*told.evidence.bands, Band("store", "store: killed", began + 5, began + 15)]
    drawn = charts.of_run(replace(told, evidence=replace(told.evidence, bands=bands)))
    named = [chart for chart in drawn if ">store: killed<" in chart.svg]
    assert named == drawn[:1]
    assert ">2 outage<" in drawn[0].svg
    assert "store: killed, from 5 s to 15 s" in drawn[0].svg


def test_a_provider_has_its_calls_and_its_circuit(told: Told) -> None:
    drawn = charts.of_run(told)
    assert {"5xx", "open", "half-open", "circuit closed"} <= {
        words.partition(":")[0] for words in legend(titled(drawn, "reached anthropic"))
    }
    assert "open" not in legend(titled(drawn, "reached openai"))


def test_latency_is_logarithmic_where_it_spans_decades() -> None:
    assert milliseconds([3.0, 9_000.0]).log
    assert not milliseconds([300.0, 900.0]).log
    assert milliseconds([0.0, 9_000.0]).low >= 1


def test_what_was_promised_and_predicted_is_drawn_beside_what_came(told: Told) -> None:
    predicted = [Predicted("p95_ms", 900, ("outage",)), Predicted("calls", 300, ("outage",), "anthropic")]
    drawn = charts.of_run(told, predicted)
    assert {"promised p95", "promised p99", "predicted p95"} <= set(legend(titled(drawn, "first token")))
    assert "predicted" in legend(titled(drawn, "reached anthropic"))
    assert "predicted" not in legend(titled(drawn, "reached openai"))


def test_names_stand_inside_of_areas_where_they_have_room(told: Told) -> None:
    assert ">other provider<" in titled(charts.of_run(told), "Requests per second").svg
    frame = Frame(Steps.of(100.0))
    thin, thick = [1.0] * frame.steps.count, [40.0] * frame.steps.count
    assert plots._room(frame, [0.0] * frame.steps.count, thin, "live", 0.5) is None
    assert plots._room(frame, thin, thick, "live", 0.5) == {"x": pytest.approx(2, abs=2), "y": 20.5}


@pytest.mark.parametrize("change", ["nothing", "one entry", "no ledger", "no bands"])
def test_there_is_a_chart_of_whatever_is_known(told: Told, change: str) -> None:
    evidence = told.evidence
    seen = {
        "nothing": made.nothing(),
        "one entry": replace(told, evidence=replace(evidence, entries=evidence.entries[:1], calls=(), changes=())),
        "no ledger": made.told(scenario=SHORT, ledger=False),
        "no bands": replace(told, evidence=replace(evidence, bands=(), phases=())),
    }[change]
    drawn = charts.of_run(seen)
    assert all(chart.svg.startswith("<svg viewBox=") for chart in drawn)
    assert any("USD" in chart.title for chart in drawn) == (change != "no ledger")
    assert all(chart.svg.count('text-anchor="end"') >= 3 for chart in drawn[1:])  # the y axis is there whatever came


def test_a_run_of_hours_is_drawn_in_few_steps() -> None:
    seen = made.told(scenario=made.outage(rate_per_s=0.2, calm_s=3600, outage_s=1800, after_s=9000))
    drawn = charts.of_run(seen)
    assert ">2.5 h<" in drawn[1].svg
    assert sum(len(chart.svg) for chart in drawn) < 200_000


def test_words_of_a_scenario_are_data_in_a_picture_too(told: Told) -> None:
    began = told.evidence.began
    bands = [Band("x", "<script>alert(1)</script>\"' & datum.x", began + 1, began + 60)]
    top = charts.of_run(replace(told, evidence=replace(told.evidence, bands=bands)))[0]
    assert "<script" not in top.svg
    assert "&lt;script&gt;alert(1)" in top.svg


def test_runs_laid_over_each_other_have_a_look_of_their_own(told: Told) -> None:
    looks = [overlays.look(number, "") for number in range(28)]
    assert len({(look.colour, look.dash) for look in looks}) == 28
    poc = replace(made.told("PoC", SHORT, breaker=False, ledger=False), verdict=None)
    drawn = overlays.of_runs([poc, told])
    assert legend(titled(drawn, "Success")) == ["PoC", "all stages"]
    assert legend(titled(drawn, "Calls per second")) == ["all stages"]  # nobody knows what the other called
    assert overlays.of_runs([]) == []
