"""The feed against a real collector and simulator: asked in pieces it is what it is asked at once."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dashboard.backends.all import Backends, backends_of
from dashboard.feed import rollup
from dashboard.feed.feed import KEPT_S, Feed
from dashboard.feed.figures import figures
from dashboard.feed.picture import Change
from dashboard.look.charts import state_rows
from dashboard.settings import Settings
from tests.collector import Collector
from tests.dashboard.conftest import NOWHERE
from tests.stack import Stack
from tests.telling import Teller, attempt
from tests.waiting import eventually


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


async def test_faults_switches_and_circuits_of_a_real_stack(
    start_stack: Callable[..., Stack], own_collector: Collector
) -> None:
    async with start_stack(collector=own_collector) as stack:  # what other fleets told counts as this one's
        simulator = f"http://127.0.0.1:{stack.simulator_ports['control']}"
        feed = Feed(backends(own_collector.url, stack.url, simulator))
        caller, admin = stack.caller(), stack.admin
        await stack.sim.fault("anthropic", "status", status=503)
        await stack.switch(cache=False)

        async def opened() -> bool:
            assert (await caller.chat()).status == 200
            rows = (await admin.request("GET", "/admin/breakers")).json()["breakers"]
            return any(row["provider"] == "anthropic" and row["state"] == "open" for row in rows)

        await eventually(opened, "the circuit to open")
        await stack.switch(cache=True)
        await stack.sim.heal()
        state: dict[str, object] = {}

        async def seen() -> bool:
            feed.refresh()
            picture = feed.picture(60, time.time() + 1)
            labels = [mark.label for mark in picture.marks]
            changes = [change for change in picture.changes if (change.provider, change.state) == ("anthropic", "open")]
            closed = [band for band in picture.bands if band.target == "anthropic" and band.end is not None]
            # Each is asked on its own.
            state.update(ready=feed.now.ready, levels=feed.now.levels, away=feed.now.away)
            state.update(labels=labels, changes=changes, closed=closed)
            answered = feed.now.ready is not None and feed.now.levels is not None
            return answered and "− cache" in labels and "+ cache" in labels and bool(changes) and bool(closed)

        # Longer than who once answered late is left alone (16 s).
        await eventually(seen, state, within_s=40)
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
    feed._told_switches = {(1000.4, 3, frozenset({"cache"}))}
    assert [(mark.t, mark.label) for mark in feed.picture(60, 1001).marks] == [(1000.4, "− cache")]


def test_a_collector_that_hangs_holds_up_nobody_and_is_named(own_collector: Collector) -> None:
    with Teller(own_collector) as teller:
        teller.record()
        teller.told()
    clock = Clock(time.time() + 3)
    feed = Feed(backends(own_collector.url), clock)
    feed.refresh()
    known = figures(feed.picture(60)).requests
    own_collector.popen.send_signal(signal.SIGSTOP)
    try:
        named = False
        deadline = time.monotonic() + 30
        while not named:
            assert time.monotonic() < deadline, "a collector that hangs is never named"
            clock.at += 1
            named = "collector" in {one.name for one in feed.refresh().away}
        clock.at += 1
        feed.refresh()
        assert figures(feed.picture(60, clock.at)).requests == known == 1
        assert feed.picture(60).told_until < clock.at - 4  # what is not known is no zero
    finally:
        own_collector.popen.send_signal(signal.SIGCONT)

    while "collector" in {one.name for one in feed.refresh().away}:
        assert time.monotonic() < deadline + 30, "it is never asked again"
        clock.at += 1
        time.sleep(0.05)


@pytest.mark.parametrize("lie", [b"{}", b"[]", b"null", b'{"events": 3, "last_seq": "x"}', b"<html>", b""])
def test_backends_that_lie_are_away_and_no_error_of_ours(lie: bytes) -> None:
    with lying(lie) as url:
        feed = Feed(backends(url, url, url), Clock(1000.0))
        assert {one.name for one in feed.refresh().away} == {"collector", "service", "simulator"}
        assert feed.picture(60).is_empty()


@contextmanager
def lying(body: bytes) -> Iterator[str]:
    """A server that answers everything with the same."""

    class Liar(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_who_hangs_stays_away_until_it_answers_again() -> None:
    """No refresh between two time-outs says that all is well."""
    with Silent() as silent:
        clock = Clock(1000.0)
        feed = Feed(backends(silent.url, silent.url, silent.url), clock)
        said: list[int] = []
        deadline = time.monotonic() + 9
        while time.monotonic() < deadline:
            clock.at += 1
            said.append(len(feed.refresh().away))
        first = next(place for place, count in enumerate(said) if count == 3)
        assert set(said[first:]) == {3}
        assert feed.now.ready is None


class Silent:
    """Takes connections, and never answers."""

    def __enter__(self) -> Silent:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


def test_a_switch_of_long_ago_still_counts_when_the_next_one_is_told() -> None:
    feed = Feed(backends(), Clock(1000.0))
    feed._told_switches = {(10.0, 1, frozenset({"cache"})), (1900.0, 2, frozenset({"cache", "retry"}))}
    feed._forget(1000.0)
    assert [(mark.t, mark.label) for mark in feed.picture(KEPT_S, 2000).marks] == [(1900.0, "− retry")]


def test_the_circuit_that_was_open_at_the_left_edge_is_drawn_open() -> None:
    feed = Feed(backends(), Clock(1000.0))
    feed._changes = [
        Change(5.0, "openai", "half_open", 5),
        Change(10.0, "openai", "open", 5),
        Change(1100.0, "openai", "closed", 0),
    ]
    feed._forget(1000.0)
    rows = state_rows(feed.picture(KEPT_S, 1900), ["openai"])
    assert list(rows["series"]) == ["open", "closed"]


def test_a_fault_without_its_parts_is_a_lie_of_the_simulator_alone() -> None:
    lie = b'{"events": [{"seq": 1, "t": 1, "event": "started", "reason": "", "fault": {}}], "last_seq": 1}'
    with lying(lie) as url:
        feed = Feed(backends(simulator=url), Clock(1000.0))
        assert {one.name: one.why for one in feed.refresh().away}["simulator"].startswith("its answer is not")
