"""The Request page: found by every filter, opened with its story, two compared; and what it says when it cannot."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import SpanContext
from streamlit.testing.v1 import AppTest

from dashboard.backends.http import Backend
from dashboard.story.pseudonym import of_user
from dashboard.views import request_work
from tests.collector import Collector
from tests.stack import Stack
from tests.telling import Teller, attempt

OLD = "0a7a0e5e-59b3-5fbc-ac60-70f5bccca2ba"
HIT = "0b7a0e5e-59b3-5fbc-ac60-70f5bccca2ba"
OUTAGE = "0c7a0e5e-59b3-5fbc-ac60-70f5bccca2ba"
UNKEPT = "0d7a0e5e-59b3-5fbc-ac60-70f5bccca2ba"
LIMITED = "0e7a0e5e-59b3-5fbc-ac60-70f5bccca2ba"
POLL = "0f7a0e5e-59b3-5fbc-ac60-70f5bccca2ba"
USUAL = [LIMITED, UNKEPT, OUTAGE, HIT, OLD]
"""All but the dashboard's own, newest first."""

WAIT = {"wait_s": 0.212, "jitter_of_s": 0.5, "after": "connection_failed", "budget_left": 17.0}
App = Callable[..., AppTest]


def stage(name: str, at_ms: float, for_ms: float, events: Any, within: Any) -> Any:
    return (name, at_ms, for_ms, {"gauntlet.stage": name}, events, within)


def chat(n: int, model: str, at_ms: float, for_ms: float, status: str, **more: Any) -> Any:
    told = {"gauntlet.attempt.number": n, "gauntlet.attempt.status": status, "gen_ai.request.model": model, **more}
    return (f"chat {model}", at_ms, for_ms, told, [], [])


def tell(teller: Teller) -> None:
    """Six requests: an outage told with its trace and again without it, a hit, a refusal, a poll, an old one."""
    now = time.time()
    path = [["cache", "miss", 0.3], ["retry", "attempt", 1.5], ["retry", "wait", 102.2], ["retry", "attempt", 314]]
    attempts = [
        attempt(1, "anthropic", "claude", status="connection_failed", upstream_status=None, t_ms=2, duration_ms=100),
        attempt(2, "anthropic", "claude", status="unavailable", upstream_status=503, t_ms=314, duration_ms=100),
        attempt(3, "openai", "gpt", t_ms=422, duration_ms=800, input_tokens=812, output_tokens=96,
                cost_nano_usd=1_234_567),
    ]  # fmt: skip
    told: dict[str, Any] = {
        "outcome": "degraded",
        "source": "provider",
        "degraded": ["anthropic:unavailable"],
        "provider": "openai",
        "model": "gpt",
        "user": of_user("alice", "workbench"),
        "duration_ms": 1234.5,
        "input_tokens": 812,
        "output_tokens": 96,
        "cost_nano_usd": 1_234_567,
        "path": path,
        "attempts": attempts,
    }
    kept = teller.record(OUTAGE, t=now - 120, kept="degraded", weight=3, **told)
    teller.record(UNKEPT, t=now - 100, **told)
    teller.record(HIT, t=now - 200, source="cache", tenant="globex", route="brief", duration_ms=1.5)
    teller.record(LIMITED, t=now - 30, status=429, outcome="refused", source=None, error="rate_limited")
    teller.record(POLL, t=now - 1, method="GET", endpoint="/ready", route=None, source=None)
    teller.record(OLD, t=now - 4000, tenant="old")
    rung = {"rung": 1, "provider": "openai", "model": "gpt", "why": "anthropic:unavailable", "last": True}
    retries = [("attempt", 1.5, {"attempt": 1, "of": 2}), ("wait", 102.2, WAIT), ("attempts_used", 414.5, {"of": 2})]
    calls = [chat(1, "claude", 2, 100, "connection_failed"), chat(2, "claude", 314, 100, "unavailable")]
    ladder = [
        stage("retry", 1.4, 414, retries, calls),
        stage("retry", 420, 810, [], [chat(3, "gpt", 422, 800, "ok")]),
    ]
    inner = stage("fallback", 1, 1230, [("rung", 1, {"rung": 0}), ("rung", 415, rung)], ladder)
    span = SpanContext(int(kept["trace_id"], 16), 1, is_remote=False)
    teller.event("gauntlet.warning", "be *careful*", t=now - 119.5, span=span)
    teller.trace(kept, [("POST /chat", 0, 1234.5, {}, [], [stage("cache", 0.2, 1232, [("miss", 0.3, {})], [inner])])])


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a collector that knows these six and nothing else."""
    collector = Collector.start(tmp_path_factory.mktemp("known"))
    with Teller(collector) as teller:
        tell(teller)
        teller.told()
    yield collector.url
    collector.end()


@pytest.fixture
def page(app: App, known: str) -> AppTest:
    return app("request", collector=known).run()


def listed(page: AppTest) -> list[str]:
    """Ids in the list; empty where there is none."""
    assert not page.exception
    lists = [frame for frame in page.dataframe if str(frame.key).startswith("found_")]
    return list(lists[0].value["id"]) if lists else []


def select(page: AppTest, *ids: str) -> AppTest:
    (key,) = (frame.key for frame in page.dataframe if str(frame.key).startswith("found_"))
    rows = [listed(page).index(request_id) for request_id in ids]
    page.session_state[str(key)] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    return page.run()


def said(page: AppTest) -> str:
    """All that the page says in words."""
    assert not page.exception
    parts = (page.markdown, page.caption, page.info, page.warning, page.error)
    return "\n".join(str(element.value) for part in parts for element in part)


def table(page: AppTest, column: str) -> list[dict[str, Any]]:
    """The rows of the table that has this column."""
    (found,) = (frame.value for frame in page.dataframe if column in frame.value)
    rows: list[dict[str, Any]] = found.to_dict("records")
    return rows


def chart(page: AppTest, side: str = "") -> dict[str, Any]:
    """The specification of a waterfall."""
    specs: list[dict[str, Any]] = [json.loads(element.proto.spec) for element in page.get("vega_lite_chart")]
    assert specs
    return specs[0 if side in ("", "A") else 1]


def test_every_request_is_listed_newest_first_without_the_dashboards_own(page: AppTest) -> None:
    assert listed(page) == USUAL
    assert "5 found" in said(page)
    rows = table(page, "outcome")
    assert [row["outcome"] for row in rows] == ["refused", "degraded", "degraded", "answered", "answered"]
    assert [row["calls"] for row in rows] == [0, 3, 3, 0, 0]
    assert rows[1]["cost USD"] == pytest.approx(0.001234567)


@pytest.mark.parametrize(
    ("kind", "key", "value", "which"),
    [
        ("text_input", "request_id", OUTAGE, [OUTAGE]),
        ("text_input", "request_id", "0D7A0E", [UNKEPT]),
        ("text_input", "request_id", "0f7a0e", [POLL]),
        ("text_input", "request_user", "alice", [UNKEPT, OUTAGE]),
        ("text_input", "request_user", of_user("alice", "workbench"), [UNKEPT, OUTAGE]),
        ("text_input", "request_user", "bob", []),
        ("text_input", "request_tenant", "globex", [HIT]),
        ("text_input", "request_route", "brief", [HIT]),
        ("selectbox", "request_outcome", "refused", [LIMITED]),
        ("selectbox", "request_source", "cache", [HIT]),
        ("selectbox", "request_last", "last 5 min", USUAL[:-1]),
        ("selectbox", "request_until", "1 h ago", [OLD]),
        ("selectbox", "request_order", "slowest", [UNKEPT, OUTAGE]),
        ("toggle", "request_degraded", True, [UNKEPT, OUTAGE]),
        ("toggle", "request_polls", True, [POLL, *USUAL]),
    ],
)
def test_requests_are_found_by(page: AppTest, kind: str, key: str, value: Any, which: list[str]) -> None:
    getattr(page, kind)(key=key).set_value(value).run()
    found = listed(page)
    if key == "request_order":  # equal ones in any order
        assert set(found[:2]) == set(which)
        assert found[-1] == HIT
    else:
        assert found == which


def test_what_nothing_matches_is_said(page: AppTest) -> None:
    page.text_input(key="request_tenant").set_value("globex").run()
    assert "1 found, narrowed down by tenant" in said(page)
    page.text_input(key="request_tenant").set_value("nobody").run()
    assert "No request matches these filters" in said(page)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("deadbeef", "No request that is known (any more) has the id `deadbeef`"),
        ("dead", "`dead` is too short"),
        ("it's", "`it's` is no request id and no trace id"),
        ("7a" * 16, f"Nothing is known of `{'7a' * 16}`"),
    ],
)
def test_an_unknown_id_is_told_in_clear_words(page: AppTest, given: str, words: str) -> None:
    page.text_input(key="request_id").set_value(given).run()
    assert words in said(page)


@pytest.mark.parametrize("given", ["00000000-0000-4000-8000-000000000000", "`x`", "<b>no id</b>"])
def test_an_unknown_id_in_the_address_is_told_and_the_list_is_there(app: App, known: str, given: str) -> None:
    page = app("request", collector=known)
    page.query_params["request"] = given
    page.run()
    assert "Nothing is known of" in said(page)
    assert listed(page) == USUAL


def test_a_selected_request_is_opened_with_every_decision_in_words(page: AppTest) -> None:
    select(page, OUTAGE)
    assert page.query_params["request"] == OUTAGE
    words = said(page)
    for expected in (
        "POST /chat &nbsp; 200",
        "degraded</span> &nbsp; 1,234.5 ms",
        OUTAGE,
        "kept as degraded, stands for 3",
        "$0.001235; 812 in, 96 out",
        "anthropic:unavailable",
        "**1**, first call",
        "**2**, retry of 1: waited 212 ms: full jitter of 500 ms, Retry-After absent, budget 17 left",
        "**3**, fail-over from 2: no retry: all 2 attempts are used; tries rung 1: openai gpt",
    ):
        assert expected in words
    steps = table(page, "step")
    assert [step["kind"] for step in steps].count("failed call") == 2
    wait = next(step for step in steps if step["kind"] == "wait")
    assert wait["decided, and from what"] == (
        "waited 212 ms: full jitter of 500 ms, Retry-After absent, budget 17 left, after connection failed"
    )
    assert (wait["at ms"], wait["took ms"]) == (102.2, 212)
    calls = table(page, "link")
    assert [call["link"] for call in calls] == ["first call", "retry of 1", "fail-over from 2"]
    assert [call["cost USD"] for call in calls] == ["$0.000000", "$0.000000", "$0.001235"]
    assert [call["ended"] for call in calls] == ["connection failed", "unavailable", "answered"]
    (logged,) = table(page, "severity")
    assert (logged["event"], logged["said"], logged["at ms"]) == ("gauntlet.warning", "be *careful*", 500)
    assert chart(page)["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0, pytest.approx(1234.5)]


def test_deselecting_closes_it(page: AppTest) -> None:
    select(select(page, OUTAGE))
    assert "request" not in page.query_params
    assert "Waterfall" not in said(page)


def test_the_list_selects_what_is_open_when_its_rows_change(page: AppTest) -> None:
    select(page, OUTAGE)
    page.toggle(key="request_polls").set_value(True).run()
    assert listed(page) == [POLL, *USUAL]
    assert page.query_params["request"] == OUTAGE
    assert OUTAGE in said(page)


def test_an_address_opens_its_request_and_another_selection_closes_it(app: App, known: str) -> None:
    page = app("request", collector=known)
    page.query_params["request"] = "0c7a0e"
    page.run()
    assert "1,234.5 ms" in said(page)
    select(page, HIT)
    assert page.query_params["request"] == HIT
    assert "None was made." in said(page)


def test_an_id_that_is_typed_is_opened(page: AppTest) -> None:
    page.text_input(key="request_id").set_value("0c7a0e").run()
    assert page.query_params["request"] == OUTAGE
    trace_id = next(part for part in said(page).split(">") if ", kept as degraded" in part).split(",")[0]
    page.text_input(key="request_id").set_value(trace_id).run()
    assert listed(page) == [OUTAGE]


def test_a_trace_that_was_not_kept_is_told_from_its_record(page: AppTest) -> None:
    select(page, UNKEPT)
    assert "Its trace was sampled out" in said(page)
    words = [step["decided, and from what"] for step in table(page, "step")]
    assert "waited 212 ms" in words
    assert "attempt 2: unavailable, status 503" in words
    assert [call["link"] for call in table(page, "link")] == ["first call", "retry of 1", "fail-over from 2"]


def test_two_are_compared_on_one_scale(page: AppTest) -> None:
    select(page, OUTAGE, HIT)
    assert page.query_params["request"] == [OUTAGE, HIT]
    words = said(page)
    assert "A: POST /chat" in words
    assert "B: POST /chat" in words
    scales = [chart(page, side)["layer"][0]["encoding"]["x"]["scale"]["domain"] for side in ("A", "B")]
    assert scales == [[0, pytest.approx(1234.5)]] * 2
    rows = {row[""]: row for row in table(page, "B − A")}
    assert (rows["took, ms"]["A"], rows["took, ms"]["B"], rows["took, ms"]["B − A"]) == ("1,234.5", "1.5", "−1,233.0")
    assert rows["calls"]["B − A"] == "−3"
    assert rows["outcome"]["B − A"] == "differs"


def test_of_three_the_first_two_are_compared(page: AppTest) -> None:
    select(page, OUTAGE, HIT, LIMITED)
    assert "3 are selected; the first 2 are compared" in said(page)


def test_before_any_request_it_says_what_it_will_show(app: App, tmp_path: Path) -> None:
    collector = Collector.start(tmp_path / "empty")
    try:
        page = app("request", collector=collector.url).run()
        assert "Nothing has happened yet" in said(page)
        assert [button.key for button in page.button if str(button.key).startswith("warm_up_")]
    finally:
        collector.end()


def test_without_a_collector_it_says_so(app: App) -> None:
    page = app("request").run()
    assert "The collector is away" in said(page)


def test_service_and_simulator_are_not_needed(page: AppTest) -> None:
    assert "away" not in said(page)


def test_what_the_collector_refuses_is_said(app: App, known: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.views.request_finding.SHOWN", 0)
    page = app("request", collector=known).run()
    assert "limit: got '0'" in said(page)


@pytest.fixture
async def real(start_stack: Callable[..., Stack]) -> str:
    """Id of a request that met a 503 until its retries were used up, and was answered by the next rung."""
    async with start_stack() as stack:
        await stack.sim.fault("anthropic", "status", status=503)
        answer = await stack.caller().chat()
        request_id = answer.headers["x-request-id"]
        await stack.told(f"select 1 from requests where request_id = '{request_id}'")
        trace_id = answer.headers["traceparent"][3:35]
        await stack.told(f"select 1 from spans where trace_id = '{trace_id}' and kind = 'server'")
        return request_id


async def test_a_real_outage_is_told_with_its_waits_and_its_fail_over(
    app: App, collector: Collector, real: str
) -> None:
    page = app("request", collector=collector.url)
    page.query_params["request"] = real
    page.run()
    calls = table(page, "link")
    assert [call["link"] for call in calls] == [
        "first call",
        "retry of 1",
        "retry of 2",
        "retry of 3",
        "fail-over from 4",
    ]
    words = said(page)
    assert words.count("Retry-After absent, budget") == 3
    assert "no retry: all 4 attempts are used" in words
    assert "tries rung 1: openai" in words
    kinds = [step["kind"] for step in table(page, "step")]
    assert (kinds.count("wait"), kinds.count("failed call"), kinds.count("call")) == (3, 4, 1)
    drawn = chart(page)
    assert {layer["mark"]["type"] for layer in drawn["layer"]} == {"bar", "point", "rule", "text"}


def test_the_backend_is_asked_only_where_the_address_points(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    usual = Backend.response

    def response(self: Backend, method: str, path: str, *given: Any, **more: Any) -> Any:
        asked.append(self.name)
        return usual(self, method, path, *given, **more)

    monkeypatch.setattr(Backend, "response", response)
    select(page, OUTAGE)
    assert set(asked) == {"collector"}


def test_a_request_and_what_was_done_for_it_after_its_answer_lead_to_each_other(app: App, own: Collector) -> None:
    run = "run_" + "ab" * 16
    now = time.time()
    with Teller(own) as teller:
        begun = teller.record(t=now - 60, endpoint="/agent", status=202, route=None, source=None)
        step = {"method": "WORK", "endpoint": "/agent", "cause": begun["trace_id"], "cost_nano_usd": 1_745_000}
        understood = teller.record(t=now - 58, step=f"{run}:understand:0:1", **step)
        paid = teller.record(t=now - 20, step=f"{run}:execute:2", **{**step, "outcome": "failed", "status": 503})
        teller.record(t=now - 10, method="GET", endpoint="/agent", route=None, source=None)
        teller.record(t=now - 10, method="GET", endpoint="/jobs/{job_id}", route=None, source=None)
        teller.told()
    page = app("request", collector=own.url)
    page.query_params["request"] = begun["request_id"]
    page.run()
    assert not page.exception
    assert set(listed(page)) == {begun["request_id"], understood["request_id"], paid["request_id"]}
    steps = next(html.value for html in page.html if "g-steps" in html.value)
    assert "Done for it after the answer**: 2 steps" in "".join(one.label for one in page.expander)
    for told, name, at_ms in ((understood, "understand", "+2,000 ms"), (paid, "execute", "+40,000 ms")):
        assert f'<a href="request?request={told["trace_id"]}" target="_self">{name}</a>' in steps
        assert at_ms in steps
    assert "$0.001745" in steps

    page = app("request", collector=own.url)
    page.query_params["request"] = paid["request_id"]
    page.run()
    assert not page.exception
    assert "A step of own work, execute: done for the request" in said(page)
    assert f"(?request={begun['trace_id']})" in said(page)
    steps = next(html.value for html in page.html if "g-steps" in html.value)
    assert "<b>execute</b>" in steps, "where one is"
    assert f"?request={understood['trace_id']}" in steps


@pytest.mark.parametrize("cause", ["it's", "' OR ''='", f"[x](http://evil.example)`{'a' * 90}", "AB" * 16])
def test_a_step_whose_cause_is_no_trace_says_so_and_asks_for_nothing_by_it(
    app: App, own: Collector, cause: str
) -> None:
    with Teller(own) as teller:
        step: dict[str, Any] = {"method": "WORK", "endpoint": "/jobs", "step": "job_1/map/1"}
        told = [teller.record(t=time.time() - 9 + n, cause=cause, **step) for n in range(2)]
        teller.told()
    page = app("request", collector=own.url)
    page.query_params["request"] = told[0]["request_id"]
    page.run()
    assert not page.exception
    assert not page.error
    assert "is no trace id (32 hexadecimal digits)" in said(page)
    assert not any("g-steps" in html.value for html in page.html)
    assert cause not in said(page)


def test_what_is_further_away_than_work_lasts_is_not_looked_for(
    app: App, own: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_work, "REACH_S", 3600)
    now = time.time()
    with Teller(own) as teller:
        begun = teller.record(t=now - 7200, endpoint="/agent", status=202, route=None, source=None)
        step = {"method": "WORK", "endpoint": "/agent", "cause": begun["trace_id"]}
        late = teller.record(t=now, step="run_1:execute:2", **step)
        teller.record(t=now - 1, step="run_1:propose:1", **step)
        teller.told()
    page = app("request", collector=own.url)
    for request_id, names in ((begun["request_id"], ()), (late["request_id"], ("execute", "propose"))):
        page.query_params["request"] = request_id
        page.run()
        assert not page.exception
        assert request_id in listed(page)
        steps = "".join(html.value for html in page.html if "g-steps" in html.value)
        assert [name for name in ("execute", "propose") if name in steps] == list(names)
