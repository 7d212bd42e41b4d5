"""The Cost page: its figures are those that were told, to the nano-USD; empty, and with who is away."""

import asyncio
import re
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from streamlit.testing.v1 import AppTest

from dashboard.settings import current
from dashboard.views import cost_sql
from dashboard.views.cost_words import usd
from loadtests.books import ClientBook
from tests.collector import Collector
from tests.mixed_run import MixedRun
from tests.stack import Stack
from tests.telling import Teller, attempt

App = Callable[..., AppTest]

CLAUDE, GPT = ("anthropic", "claude-opus-4-7"), ("openai", "gpt-5.5")


def ran(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception, page.exception
    return page


def tiles(page: AppTest) -> dict[str, tuple[str, str]]:
    """Name -> figure with its unit, and the line beneath."""
    (html,) = [str(body) for html in page.get("html") if "g-tiles" in (body := getattr(html, "body", ""))]
    found = re.findall(
        r'"name">(.*?)</div><div class="value">(.*?) <small>(.*?)</small></div><div class="more">(.*?)</div>',
        html,
    )
    return {name: (f"{value} {unit}".strip(), unescape(more)) for name, value, unit, more in found}


def table(page: AppTest, column: str) -> pd.DataFrame:
    """The table that has this column."""
    (found,) = [frame.value for frame in page.dataframe if column in frame.value.columns]
    return found


def breakdowns(page: AppTest) -> list[pd.DataFrame]:
    """By endpoint, route, model and tenant."""
    return [frame.value for frame in page.dataframe if "share" in frame.value.columns and "name" in frame.value.columns]


def said(page: AppTest) -> str:
    return "\n".join(e.value for kind in (page.markdown, page.caption, page.info, page.warning) for e in kind).replace(
        r"\$", "$"
    )


def tell_a_mix(teller: Teller, t: float) -> list[dict[str, Any]]:
    """Five chats: plain, by fallback after a failure, from the cache, given up, without a price; a refund; and more."""
    plain = attempt(1, *CLAUDE, cost_nano_usd=1_200_000, purpose="answer", input_tokens=100, output_tokens=40)
    failed = attempt(1, *CLAUDE, cost_nano_usd=300_000, purpose="retry", status="stream_broken", input_tokens=100)
    rescue = attempt(2, *GPT, cost_nano_usd=2_000_000, purpose="fallback", input_tokens=90, output_tokens=50)
    given_up = attempt(
        1, *GPT, cost_nano_usd=500_000, purpose="abandoned", status="cancelled", exact=False, most_nano_usd=900_000
    )
    unpriced = attempt(1, "vllm", "llama", cost_nano_usd=None, purpose="answer")
    refund = attempt(1, "payments", "refund", cost_nano_usd=0, purpose="answer")
    of_claude: dict[str, Any] = {"provider": CLAUDE[0], "model": CLAUDE[1]}
    of_gpt: dict[str, Any] = {"provider": GPT[0], "model": GPT[1]}
    told = [
        teller.record(t=t, attempts=[plain], cost_nano_usd=1_200_000, **of_claude),
        teller.record(
            t=t + 10,
            attempts=[failed, rescue],
            cost_nano_usd=2_300_000,
            outcome="degraded",
            source="provider",
            tenant="globex",
            **of_gpt,
        ),
        teller.record(t=t + 20, source="cache", saved_nano_usd=1_200_000, **of_claude),
        teller.record(
            t=t + 30,
            attempts=[given_up],
            cost_nano_usd=500_000,
            outcome="cancelled",
            status=499,
            endpoint="/chat/stream",
        ),
        teller.record(t=t + 40, attempts=[unpriced], cost_nano_usd=None, unpriced=1, route="own"),
        teller.record(t=t + 41, attempts=[refund], cost_nano_usd=0, endpoint="/refund", route="payments"),
        teller.record(t=t + 42, outcome="refused", status=429, route=None, source=None),
        teller.record(t=t + 43, method="GET", endpoint="/ready", route=None, source=None, tenant=None),
    ]
    teller.told()
    return told


def tell_budget(collector: Collector, instance: str, tenant: str, spent: int, limit: int, state: str) -> None:
    """A worker's gauges."""
    exporter = OTLPMetricExporter(endpoint=f"{collector.url}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)
    resource = Resource({"service.name": "gauntlet", "service.instance.id": instance})
    meters = MeterProvider([reader], resource, shutdown_on_exit=False)
    meter = meters.get_meter("test")
    meter.create_gauge("gauntlet.budget.spent", "n{USD}").set(
        spent, {"gauntlet.tenant": tenant, "gauntlet.state": state}
    )
    meter.create_gauge("gauntlet.budget.limit", "n{USD}").set(limit, {"gauntlet.tenant": tenant})
    meters.shutdown()


def test_the_tiles_are_exact(app: App, own: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    t = time.time() - 120
    with Teller(own) as teller:
        tell_a_mix(teller, t)
    monkeypatch.setattr(cost_sql, "now_s", lambda: t + 100)
    assert tiles(ran(app("cost", collector=own.url))) == {
        "spent": ("$0.004", "by 5 calls"),
        "per hour": ("$0.1440", "over 2 min"),
        "per answer": ("$0.001", "4 answered"),
        "saved by the cache": ("$0.0012", "of $0.0052 without it"),
        "failed + abandoned": ("$0.0008", "20.0 % of spent"),
        "without a price": ("1 call", "NOT in these sums"),
    }


def test_each_breakdown_has_all_the_money_and_its_shares(
    app: App, own: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    t = time.time() - 120
    with Teller(own) as teller:
        tell_a_mix(teller, t)
    monkeypatch.setattr(cost_sql, "now_s", lambda: t + 100)
    page = ran(app("cost", collector=own.url))
    by_endpoint, by_route, by_model, by_tenant = breakdowns(page)
    for rows in (by_endpoint, by_route, by_model, by_tenant):
        assert rows["spent"].sum() == pytest.approx(0.004)
        assert rows["share"].sum() == pytest.approx(100)
        assert rows["saved"].sum() == pytest.approx(0.0012)
        assert rows["lost"].sum() == pytest.approx(0.0008)
        assert rows["answered"].sum() == 4
        assert rows["calls"].sum() == 5
    assert by_endpoint.set_index("name")["spent"].to_dict() == pytest.approx({"/chat": 0.0035, "/chat/stream": 0.0005})
    assert set(by_route["name"]) == {"default", "own"}
    of_model = by_model.set_index("name")
    assert of_model.loc["gpt-5.5 · openai", "spent"] == pytest.approx(0.0025)
    assert of_model.loc["claude-opus-4-7 · anthropic", "input_tokens"] == 200
    assert of_model.loc["gpt-5.5 · openai", "output_tokens"] == 50
    assert of_model.loc["llama · vllm", "unpriced"] == 1
    assert by_tenant.set_index("name")["spent"].to_dict() == pytest.approx({"acme": 0.0017, "globex": 0.0023})


def test_what_ended_early_may_cost_more_and_the_page_says_how_much(
    app: App, own: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    t = time.time() - 120
    with Teller(own) as teller:
        tell_a_mix(teller, t)
    monkeypatch.setattr(cost_sql, "now_s", lambda: t + 100)
    words = said(ran(app("cost", collector=own.url)))
    assert "$0.0003 went to attempts that failed, $0.0005 to abandoned ones." in words
    assert "may bill up to $0.0004 more" in words


def test_the_most_expensive_requests_lead_to_their_own_page(
    app: App, own: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    t = time.time() - 120
    with Teller(own) as teller:
        told = tell_a_mix(teller, t)
        partly = [attempt(1, *CLAUDE, cost_nano_usd=9_000_000), attempt(2, "vllm", "llama", cost_nano_usd=None)]
        half_known = teller.record(t=t + 50, attempts=partly, cost_nano_usd=None, unpriced=1)
        teller.told()
    monkeypatch.setattr(cost_sql, "now_s", lambda: t + 100)
    rows = table(ran(app("cost", collector=own.url)), "request")
    wanted = [half_known, told[1], told[0], told[3]]
    assert list(rows["request"]) == [f"/request?request={record['request_id']}" for record in wanted]
    assert list(rows["spent"]) == pytest.approx([0.009, 0.0023, 0.0012, 0.0005])
    assert list(rows["unpriced"]) == [1, 0, 0, 0]


def test_a_longer_range_has_what_a_shorter_one_has_not(app: App, own: Collector) -> None:
    with Teller(own) as teller:
        teller.record(t=time.time() - 1800, attempts=[attempt(1, *CLAUDE, cost_nano_usd=5_000_000)])
        teller.told()
    page = ran(app("cost", collector=own.url))
    assert "Nobody asked anything in the last 15 min; the newest request came 30 min ago" in said(page)
    page.segmented_control(key="cost_range").set_value("1 h")
    assert tiles(ran(page))["spent"][0] == "$0.005"


def test_a_budget_is_what_the_worker_that_knows_most_knows(app: App, own: Collector) -> None:
    with Teller(own) as teller:
        teller.record(attempts=[attempt(1, *CLAUDE, cost_nano_usd=5_000_000)])
        teller.told()
    tell_budget(own, "1-aa", "acme", 850_000_000, 1_000_000_000, "warning")
    tell_budget(own, "2-bb", "acme", 400_000_000, 1_000_000_000, "ok")
    tell_budget(own, "2-bb", "globex", 3_000_000_000, 2_000_000_000, "exhausted")
    rows = waited_for(own, 6, lambda: table(ran(app("cost", collector=own.url)), "limit"))
    assert rows[["tenant", "spent", "limit", "share", "state"]].values.tolist() == [
        ["globex", 3.0, 2.0, 150.0, "✕ exhausted"],
        ["acme", 0.85, 1.0, 85.0, "△ warning"],
    ]


def waited_for(collector: Collector, points: int, then: Callable[[], Any]) -> Any:
    """What `then` gives as soon as so many gauges can be read."""
    end_s = time.monotonic() + 20
    query = "select 1 from metric_points where name like 'gauntlet.budget.%'"
    while len(collector.sql(query)) < points:
        assert time.monotonic() < end_s, "the gauges cannot be read"
        time.sleep(0.02)
    return then()


def test_where_nobody_has_a_budget_the_page_says_how_one_is_set(app: App, own: Collector) -> None:
    with Teller(own) as teller:
        teller.record(attempts=[attempt(1, *CLAUDE, cost_nano_usd=5_000_000)])
        teller.told()
    page = ran(app("cost", collector=own.url))
    assert "GAUNTLET_BUDGET__USD_PER_DAY=5" in said(page)
    assert "No tenant with a budget has asked today" in said(page)


def test_before_any_request_the_page_says_what_it_will_show(app: App, own: Collector) -> None:
    page = ran(app("cost", collector=own.url))
    assert "Nothing has happened yet" in said(page)
    assert page.button
    assert not page.dataframe


def test_without_the_collector_the_page_says_so(app: App) -> None:
    page = ran(app("cost"))
    assert "The collector is away" in said(page)
    assert not page.dataframe


def test_without_the_simulator_only_its_fault_windows_are_missing(app: App, own: Collector) -> None:
    with Teller(own) as teller:
        teller.record(attempts=[attempt(1, *CLAUDE, cost_nano_usd=5_000_000)])
        teller.told()
    page = ran(app("cost", collector=own.url))
    assert "The simulator is away" in said(page)
    assert tiles(page)["spent"][0] == "$0.005"


async def test_the_sums_are_those_of_the_books(
    app: App, own: Collector, tmp_path: Path, start_stack: Callable[..., Stack]
) -> None:
    """A mixed run with faults: the page, SQL on `costs`, and the simulator's ledger."""
    async with start_stack(collector=own) as stack:
        for target in ("anthropic", "openai"):
            await stack.sim.latency(target)
        await stack.sim.fault("anthropic", "status", status=503, share=0.2)
        await stack.sim.fault("anthropic", "cut", share=0.2)
        with ClientBook(tmp_path) as book:
            await MixedRun(stack, book, seed=11, count=120).run()
        await stack.switch(cache=False)
        await asyncio.to_thread(stack.service.end)  # a worker that ends tells all it has
        await stack.told("select 1 from log_records where event = 'gauntlet.worker.stopped'", rows=2)
        ledger = await stack.sim.calls()
        page = ran(app("cost", collector=own.url, simulator=stack.sim.url))
        told = cost_sql.bill(current().collector, cost_sql.RANGES[1])
    by_purpose = {
        row["purpose"]: row["nano"]
        for row in own.sql("select purpose, sum(cost_nano_usd)::BIGINT as nano from costs group by 1")
    }
    assert {purpose: told.spent_on(purpose) for purpose in by_purpose} == by_purpose
    assert tiles(page)["spent"][0] == usd(sum(by_purpose.values()))
    (saved,) = own.sql("select sum(saved_nano_usd)::BIGINT as nano from requests")
    assert tiles(page)["saved by the cache"][0] == usd(saved["nano"])
    (exact,) = own.sql("select sum(cost_nano_usd)::BIGINT as nano from attempts where exact")
    billed = sum(call["billed_nano_usd"] for call in ledger if call["target"] != "payments")
    assert exact["nano"] <= billed <= told.total("spent") + told.total("more")
    for rows in told.breakdowns.values():
        assert int(rows["spent"].sum()) == told.total("spent")
    assert [mark.label for mark in told.marks] == ["− cache"]


@pytest.mark.parametrize(
    ("nano", "words"),
    [
        (0, "$0"),
        (1, "$0.000000001"),
        (717_800, "$0.000718"),
        (123_456_789, "$0.1235"),
        (12_345_678_901, "$12.35"),
        (1_234_000_000_000, "$1,234.00"),
    ],
)
def test_money_is_written_with_the_digits_that_say_something(nano: int, words: str) -> None:
    assert usd(nano) == words
