"""The feed against a real collector and simulator: asked in pieces it is what it is asked at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.backends.all import Backends, backends_of
from dashboard.feed import rollup
from dashboard.feed.feed import KEPT_S, Feed
from dashboard.feed.figures import figures
from dashboard.settings import Settings
from tests.collector import Collector
from tests.dashboard.conftest import NOWHERE
from tests.stack import Stack, eventually
from tests.telling import Teller, attempt


class Clock:
    """Unix time that a test moves."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def own_collector(tmp_path: Path) -> Iterator[Collector]:
    collector = Collector.start(tmp_path / "collector")
    yield collector
    collector.end()


def backends(collector: str = NOWHERE, service: str = NOWHERE, simulator: str = NOWHERE) -> Backends:
    return backends_of(Settings(collector=collector, service=service, simulator=simulator))


def rows_at_once(found: Backends, since: int, until: int) -> list[tuple[Any, ...]]:
    return listed(rollup.typed(found.collector.sql(rollup.sql(since, until))))


def listed(rows: Any) -> list[tuple[Any, ...]]:
    return sorted(rows.astype({"what": str, "key": str})[list(rollup.COLUMNS)].itertuples(index=False, name=None))


def test_refresh_by_refresh_it_has_what_one_question_gives(own_collector: Collector) -> None:
    found, began = backends(own_collector.url), int(time.time()) - 300
    clock = Clock(began + 5.0)
    feed = Feed(found, clock)
    with Teller(own_collector) as teller:
        for number in range(120):
            t = began + number / 2
            source = ("live", "cache", "provider")[number % 3]
            teller.record(
                t=t,
                source=source,
                outcome="degraded" if source == "provider" else "answered",
                duration_ms=5.0 + number * 7,
                attempts=[attempt(1, "anthropic", "m", status="unavailable")] if source == "provider" else [],
                first_token_ms=3.0 if number % 2 else None,
            )
            if number % 10 == 9:
                teller.told()
                clock.at = t + 1.5
                feed.refresh()
        teller.record(t=began + 45.0, source="stale", outcome="degraded")  # told late
        teller.told()
    clock.at += 11
    feed.refresh()
    until = int(clock.at)
    assert listed(feed.picture(KEPT_S).rows) == rows_at_once(found, until - KEPT_S, until)
    shown = figures(feed.picture(KEPT_S))
    assert shown.requests == 121
    assert shown.hit_rate == pytest.approx(40 / 121)


def test_what_is_not_a_chat_is_not_counted(own_collector: Collector) -> None:
    with Teller(own_collector) as teller:
        teller.record(endpoint="/ready", source=None)
        teller.record(endpoint="/admin/stages", source=None)
        teller.record(endpoint="/refund", source=None, attempts=[attempt(1, "payments", "")])
        teller.record(endpoint="/chat/stream")
        teller.told()
    feed = Feed(backends(own_collector.url), Clock(time.time() + 3))
    feed.refresh()
    shown = figures(feed.picture(60))
    assert (shown.requests, shown.amplification) == (1, 0)


def test_whoever_is_away_is_named_and_the_others_go_on(own_collector: Collector) -> None:
    with Teller(own_collector) as teller:
        teller.record()
        teller.told()
    clock = Clock(time.time() + 3)
    feed = Feed(backends(own_collector.url), clock)
    assert {one.name for one in feed.refresh().away} == {"service", "simulator"}
    assert figures(feed.picture(60)).requests == 1


def test_what_was_known_stays_while_the_collector_is_away_and_the_gap_is_filled_when_it_is_back(tmp_path: Path) -> None:
    collector = Collector.start(tmp_path / "collector")
    port = int(collector.url.rsplit(":", 1)[1])
    now = time.time()
    clock = Clock(now)
    feed = Feed(backends(collector.url), clock)
    try:
        with Teller(collector) as teller:
            teller.record(t=now - 100)
            teller.told()
        feed.refresh()
        collector.end()
        clock.at = now + 60
        assert "collector" in {one.name for one in feed.refresh().away}
        assert figures(feed.picture(KEPT_S)).requests == 1
        collector = Collector.start(tmp_path / "collector", port=port)
        with Teller(collector) as teller:
            teller.record(t=now + 20)
            teller.told()
        clock.at = now + 120
        feed.refresh()
        assert figures(feed.picture(KEPT_S)).requests == 2
    finally:
        collector.end()


def test_another_page_at_the_same_moment_asks_nobody(own_collector: Collector) -> None:
    clock = Clock(time.time())
    feed = Feed(backends(own_collector.url), clock)
    first = feed.refresh()
    clock.at += 0.1
    assert feed.refresh() is first


async def test_faults_switches_and_circuits_of_a_real_stack(start_stack: Callable[..., Stack]) -> None:
    async with start_stack() as stack:
        assert stack.collector is not None
        simulator = f"http://127.0.0.1:{stack.simulator_ports['control']}"
        feed = Feed(backends(stack.collector.url, stack.url, simulator))
        caller, admin = stack.caller(), stack.admin
        await stack.sim.fault("anthropic", "status", status=503)
        await admin.request("PUT", "/admin/stages", {"cache": False})
        for _ in range(8):
            await caller.chat()
        await admin.request("PUT", "/admin/stages", {"cache": True})
        await stack.sim.heal()

        async def seen() -> bool:
            feed.refresh()
            picture = feed.picture(60, time.time() + 1)
            labels = [mark.label for mark in picture.marks]
            opened = [change for change in picture.changes if (change.provider, change.state) == ("anthropic", "open")]
            closed = [band for band in picture.bands if band.target == "anthropic" and band.end is not None]
            return "− cache" in labels and "+ cache" in labels and bool(opened) and bool(closed)

        await eventually(seen, "a band, both switches and an open circuit")
        assert feed.now.ready is not None
        assert {row["provider"] for row in feed.now.ready["providers"]} >= {"anthropic", "openai"}
        assert feed.now.levels is not None
        assert {"tenant_requests", "user_tokens"} <= set(feed.now.levels["bucket"])


def test_a_switch_made_here_is_a_mark_at_once_and_only_one_once_it_is_told() -> None:
    clock = Clock(1000.0)
    feed = Feed(backends(), clock)
    feed.refresh()
    feed.switched("− cache")
    assert [mark.label for mark in feed.picture(60, 1001).marks] == ["− cache"]
    feed._versions = {3: (1000.4, frozenset({"cache"}))}
    assert [(mark.t, mark.label) for mark in feed.picture(60, 1001).marks] == [(1000.4, "− cache")]
