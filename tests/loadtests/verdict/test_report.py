"""The HTML report: what stands in it, that it needs nothing else, and that a browser shows it."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.scenario.model import Phase
from loadtests.verdict import report, sentences
from loadtests.verdict.evidence import Band, Generator
from loadtests.verdict.judge import judge
from loadtests.verdict.report import Table
from loadtests.verdict.told import Predicted, Told
from tests.dashboard.browser import browser_page, needs_browser
from tests.loadtests.verdict import made

SHORT = made.outage(rate_per_s=20, calm_s=10, outage_s=30, after_s=30)
MOST_BYTES = 1_000_000
MOST_S = 15.0
"""Far above the few seconds that it takes on an idle machine."""


@pytest.fixture(scope="module")
def told() -> Told:
    return made.told(scenario=SHORT)


def test_it_says_the_verdict_each_expectation_and_how_to_repeat_the_run(told: Told) -> None:
    html = report.of_run(told)
    assert '<html lang="en">' in html
    assert "✗ FAIL" in html
    for expected in made.EXPECTED:
        assert expected.why in html
    assert "≤ 2,500 ms" in html
    assert "gauntlet load outage --seed 7" in html
    assert "20251009T085320-outage" in html
    assert "books of client, service and providers: balanced" in html
    assert "3 late, the latest by 312 ms" in html
    assert html.count('role="img" aria-label="') == html.count("<figure") == 7


def test_a_run_that_does_not_count_says_why(told: Told) -> None:
    seen = replace(told.evidence, generator=Generator(sent=10, not_sent=90))
    html = report.of_run(replace(told, evidence=seen, verdict=judge(SHORT, seen, books="balanced")))
    assert "? COULD NOT JUDGE" in html
    assert "it did not send 90 of 100 requests" in html


def test_what_never_came_back_is_said_so(told: Told) -> None:
    calls = [call for call in told.evidence.calls if call.t < told.evidence.phases[1].since]
    seen = replace(told.evidence, calls=calls)
    verdict = judge(SHORT, seen, books="balanced")
    assert math.inf in [one.measured for one in verdict.judged]
    assert ">never<" in report.of_run(replace(told, evidence=seen, verdict=verdict))


def test_a_prediction_stands_beside_the_result(told: Told) -> None:
    predicted = [
        Predicted("success_share", 0.5, words="How many get an answer?"),
        Predicted("calls", 10, ("outage",), "anthropic"),
        Predicted("back_after_s", 20, target="payments"),
    ]
    html = report.of_run(told, predicted)
    assert "How many get an answer?" in html
    assert " points</td>" in html
    assert "calls, anthropic, outage" in html


def test_a_planned_fault_that_nobody_saw_is_said_to_be_missing(told: Told) -> None:
    seen = replace(told.evidence, bands=())
    assert "planned, but not seen: anthropic: status 503" in report.of_run(replace(told, evidence=seen))


def test_a_fault_that_comes_and_goes_is_counted(told: Told) -> None:
    since = told.evidence.phases[1].since
    bands = [Band("openai", "openai: hang", since + at, since + at + 2) for at in (1, 5, 9)]
    seen = replace(told.evidence, bands=bands)
    assert "openai: hang (3 times)" in report.of_run(replace(told, evidence=seen))


def test_several_runs_begin_with_the_table(told: Told) -> None:
    poc = replace(made.told("PoC <sync>", SHORT, breaker=False, ledger=False), verdict=None)
    table = Table(("Run", "Success"), [("PoC <sync>", ("12 %",)), ("all stages", ("99 %",))])
    html = report.of_ablation("What it is worth", "One <b>stage</b> off at a time.", [poc, told], table)
    assert html.index("12 %") < html.index("<figure")
    assert "PoC &lt;sync&gt;" in html
    assert "<sync>" not in html
    assert "<b>" not in html
    assert "Nobody judged this run." in html


def test_everything_that_others_wrote_is_escaped(told: Told) -> None:
    bad = "<script>alert(1)</script>"
    scenario = SHORT.model_copy(
        update={
            "title": bad,
            "about": bad,
            "phase": tuple(phase.model_copy(update={"say": bad}) for phase in SHORT.phase),
        }
    )
    seen = replace(told.evidence, bands=[Band("x", bad, made.BEGAN, made.BEGAN + 50)])
    verdict = judge(scenario, seen, books="not judged", books_said=bad, reason=bad)
    html = report.of_run(
        replace(
            told,
            label=bad,
            scenario=scenario,
            evidence=seen,
            verdict=verdict,
            command=bad,
            facts={bad: bad},
            notes=[bad],
        ),
        [Predicted("success_share", 0.5, words=bad)],
    )
    assert "<script" not in html
    assert html.count("&lt;script&gt;") > 10


def test_a_run_of_nothing_has_a_page() -> None:
    html = report.of_run(made.nothing())
    assert "no request was sent" in html
    assert "There is nothing to draw." in html


def test_users_and_a_crowd_at_once_are_said_in_words() -> None:
    assert sentences.load(Phase(name="a", for_s=1, users=(10, 100))) == "from 10 to 100 users"
    assert (
        sentences.load(Phase(name="a", for_s=1, rate_per_s=2.5, at_once=300)) == "2.5 requests per second, 300 at once"
    )


def test_ten_minutes_with_twenty_thousand_requests_are_small_and_soon_drawn() -> None:
    long = made.told(scenario=made.outage(rate_per_s=40, calm_s=150, outage_s=300, after_s=150))
    assert len(long.evidence.entries) > 20_000
    began_s = time.perf_counter()
    html = report.of_run(long)
    took_s = time.perf_counter() - began_s
    assert len(html.encode()) < MOST_BYTES
    assert took_s < MOST_S


@needs_browser
def test_a_browser_shows_it_from_a_file_and_asks_for_nothing_else(told: Told, tmp_path: Path) -> None:
    path = report.write(tmp_path / "runs" / "report.html", report.of_run(told))
    with browser_page() as page:
        asked, complaints = list[str](), list[str]()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(path.as_uri())
        assert asked == [path.as_uri()]
        assert complaints == []
        assert page.locator("script, [src], link:not([rel=icon])").count() == 0
        pictures = page.locator("figure > svg")
        boxes = [pictures.nth(number).bounding_box() for number in range(pictures.count())]
        assert len({(box["x"], box["width"]) for box in boxes if box}) == 1
        assert all(box and box["height"] > 20 for box in boxes)
        body = page.locator("body")
        light = body.evaluate("it => getComputedStyle(it).backgroundColor")
        page.emulate_media(color_scheme="dark")
        assert body.evaluate("it => getComputedStyle(it).backgroundColor") != light
        page.emulate_media(media="print", color_scheme="dark")
        assert body.evaluate("it => getComputedStyle(it).backgroundColor") == light
