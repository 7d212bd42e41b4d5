"""The page Work's feed: what ended, waits and was tried, second by second; and what it leaves alone."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from dashboard.backends.all import Backends
from dashboard.backends.collector import Collector as Asked
from dashboard.backends.service import Service
from dashboard.backends.simulator import Simulator
from dashboard.feed import work_figures
from dashboard.feed.feed import Feed
from dashboard.feed.figures import figures
from dashboard.feed.picture import Picture
from dashboard.feed.work import FRESH_S, WANTED_S, Work, WorkFeed
from tests.collector import Collector
from tests.dashboard.conftest import NOWHERE
from tests.dashboard.feed.test_feed import Silent, lying
from tests.telling import Teller, attempt

WIDTH_S = 60.0


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    own = Collector.start(tmp_path / "own")
    yield own
    own.end()


def feed_of(collector: str = NOWHERE, service: str = NOWHERE, key: str | None = "demo-admin") -> WorkFeed:
    backends = Backends(Asked("collector", collector), Service("service", service), Simulator("simulator", NOWHERE))
    return WorkFeed(backends, key)


def seen_at(now: float) -> Picture:
    return Picture(now - WIDTH_S, now, pd.DataFrame())


def frames_of(work: Work) -> dict[str, pd.DataFrame]:
    assert work.frames is not None, work.away
    return dict(work.frames)


def job(t: float, **more: Any) -> str:
    told = {"job_id": f"job_{t}", "kind": "analysis", "outcome": "completed", "created": t - 5, "ended": t}
    return json.dumps({**told, "wait_ms": 2000.0, "run_ms": 3000.0, **more})


def test_what_ended_is_told_by_how_and_how_long_it_took(collector: Collector) -> None:
    now = time.time()
    with Teller(collector) as teller:
        for place, outcome in enumerate(("completed", "completed", "failed")):
            t = now - 20 + place
            teller.event("gauntlet.job", job(t, outcome=outcome), t=t)
        teller.event("gauntlet.job", job(now - 20), t=now - 19)  # a worker that died told it, and its successor again
        teller.event(
            "gauntlet.webhook", json.dumps({"message_id": "msg_1", "type": "job.completed", "t": now}), t=now - 9
        )
        teller.told()
    frames = frames_of(feed_of(collector.url).refresh(WIDTH_S))
    assert list(frames["ended"]["event"]) == ["gauntlet.job"] * 3, "a message that was delivered is no work that ended"
    shown = work_figures.figures(frames, seen_at(now), 60)
    assert (shown.ended, shown.failed) == (3, 1)
    sums = work_figures.endings(frames, seen_at(now)).groupby("key")["value"].sum()
    assert dict(sums) == {"completed": 2.0, "failed": 1.0}
    times = work_figures.times(frames, seen_at(now)).dropna()
    assert np.allclose(times[["wait_s", "run_s"]], [2.0, 3.0])


class Counting(Asked):
    """A collector that counts the questions for what ended, by the first second that they ask for."""

    def __init__(self, url: str) -> None:
        super().__init__("collector", url)
        self.since: list[int] = []

    def sql(self, query: str, *, read_s: float = 6.0, max_rows: int = 500_000) -> pd.DataFrame:
        if "'gauntlet.job'" in query:
            (micros,) = re.findall(r"make_timestamp\((\d+)\)", query)
            self.since.append(int(micros) // 1_000_000)
        return super().sql(query, read_s=read_s, max_rows=max_rows)


def until_told(watched: WorkFeed, width_s: float) -> list[str]:
    """The jobs that a page of this width has, once the collector has told of any."""
    deadline_s = time.monotonic() + 30
    while (work := watched.refresh(width_s)).frames is None:
        assert time.monotonic() < deadline_s, work.away
    return sorted(frames_of(work)["ended"]["id"])


def test_two_pages_of_different_widths_share_one_question_and_spoil_nothing(collector: Collector) -> None:
    now = float(int(time.time()))
    with Teller(collector) as teller:
        for id_, ago_s in (("job_new", 20), ("job_old", 200)):
            teller.event("gauntlet.job", job(now - ago_s, job_id=id_), t=now - ago_s)
        teller.told()
    asked = Counting(collector.url)
    backends = Backends(asked, Service("service", NOWHERE), Simulator("simulator", NOWHERE))
    at = [now]
    watched = WorkFeed(backends, None, lambda: at[0])
    wide_s, narrow_s = 300.0, 60.0
    assert until_told(watched, wide_s) == ["job_new", "job_old"]
    before, turns = len(asked.since), 5
    for _ in range(turns):
        at[0] += FRESH_S
        assert until_told(watched, narrow_s) == ["job_new"]
        assert until_told(watched, wide_s) == ["job_new", "job_old"]
    assert len(asked.since) - before <= turns, "the second page has what the first asked for"
    assert max(asked.since) <= now + turns * FRESH_S - wide_s, "each question is for the widest"
    at[0] += WANTED_S
    deadline_s = time.monotonic() + 30
    while asked.since[-1] < at[0] - narrow_s - 1:  # nobody has wanted the wide one lately
        at[0] += FRESH_S
        assert until_told(watched, narrow_s) == ["job_new"]
        assert time.monotonic() < deadline_s, asked.since


def test_levels_and_tries_are_those_of_the_workers(collector: Collector) -> None:
    now = time.time()
    resource = Resource({"service.instance.id": "77-ab"})
    exporter = OTLPMetricExporter(endpoint=f"{collector.url}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)
    meters = MeterProvider([reader], resource, shutdown_on_exit=False)
    meter = meters.get_meter("test")
    waiting = {"jobs": 5, "agent": 2}

    def depths(_: CallbackOptions) -> list[Observation]:
        return [Observation(value, {"gauntlet.queue.lane": lane}) for lane, value in waiting.items()]

    meter.create_observable_gauge("gauntlet.queue.waiting", [depths])
    meter.create_observable_gauge("gauntlet.worker.lag", [lambda _: [Observation(0.0)]])
    tries = meter.create_counter("gauntlet.webhook.tries")
    for outcome, count in (("ok", 3), ("timed_out", 1)):
        tries.add(count, {"gauntlet.outcome": outcome})
    meters.force_flush()
    tries.add(2, {"gauntlet.outcome": "ok"})
    meters.shutdown()
    with Teller(collector) as teller:
        teller.told()
    frames = frames_of(feed_of(collector.url).refresh(WIDTH_S))
    seen = seen_at(now + 2)
    shown = work_figures.figures(frames, seen, 60)
    assert (shown.waiting, shown.workers, shown.dead) == (7, 1, None)
    assert dict(work_figures.tries(frames, seen).groupby("key")["value"].sum()) == {"ok": 5.0, "failed": 1.0}
    lanes = work_figures.level(frames, seen, "gauntlet.queue.waiting").groupby("key")["value"].max()
    assert dict(lanes) == {"jobs": 5.0, "agent": 2.0}


def test_a_worker_that_died_without_a_word_is_marked_where_it_was_heard_last() -> None:
    nan = float("nan")
    workers = pd.DataFrame(
        [("1-a", 10.0, nan, 60.0, 60.0), ("2-b", 11.0, 40.0, 40.0, 60.0), ("3-c", nan, nan, 30.0, 60.0)],
        columns=["instance", "started", "stopped", "heard", "newest"],
    )
    marks = work_figures.worker_marks(workers, seen_at(61.0))
    assert [(mark.t, mark.label) for mark in marks] == [
        (10.0, "+ worker 1"),
        (11.0, "+ worker 2"),
        (30.0, "✕ worker 3"),
        (40.0, "− worker 2"),
    ]
    assert list(work_figures.alive(workers)["instance"]) == ["1-a"]


def test_own_work_counts_among_no_clients_figures(collector: Collector) -> None:
    with Teller(collector) as teller:
        for _ in range(4):
            teller.record(t=time.time() - 5, source="live", attempts=[attempt(1, "anthropic", "m")])
        for endpoint in ("/jobs", "/agent"):
            teller.record(
                t=time.time() - 5,
                method="WORK",
                endpoint=endpoint,
                outcome="failed",
                source="live",
                status=500,
                duration_ms=29_000.0,
                cost_nano_usd=5_000_000_000,
                step="job_1/map/0",
                cause="ab" * 16,
                attempts=[attempt(n, "anthropic", "m") for n in range(1, 9)],
            )
        teller.told()
    backends = Backends(Asked("collector", collector.url), Service("service", NOWHERE), Simulator("simulator", NOWHERE))
    watched = Feed(backends, lambda: time.time() + 40)  # after the last of them has ended
    watched.refresh()
    shown = figures(watched.picture(120))
    assert (shown.requests, shown.success, shown.amplification, shown.usd_per_min) == (4, 1.0, 1.0, 0.0)
    frames = frames_of(feed_of(collector.url).refresh(WIDTH_S))
    assert dict(frames["steps"].groupby("outcome")["n"].sum()) == {"failed": 2}


def test_without_a_key_the_service_is_not_asked(collector: Collector) -> None:
    work = feed_of(collector.url, NOWHERE, key=None).refresh(WIDTH_S)
    assert work.frames is not None
    assert (work.lists, work.away) == (None, ())


def test_each_that_is_away_costs_its_own_part_alone(collector: Collector) -> None:
    work = feed_of(collector.url).refresh(WIDTH_S)
    assert work.frames is not None
    assert work.lists is None
    assert [one.name for one in work.away] == ["service"]
    with lying(b'{"jobs": [], "runs": [], "webhooks": []}') as url:
        work = feed_of(NOWHERE, url).refresh(WIDTH_S)
    assert work.frames is None
    assert work.lists is not None
    assert work.lists.jobs == []
    assert [one.name for one in work.away] == ["collector"]


@pytest.mark.parametrize("lie", [b'{"jobs": [{}]}', b"[]", b'{"jobs": 7}', b"nothing", b'{"jobs": [], "runs": [7]}'])
def test_a_service_that_lies_has_said_nothing(lie: bytes) -> None:
    with lying(lie) as url:
        work = feed_of(service=url).refresh(WIDTH_S)
    assert work.lists is None
    assert {one.name for one in work.away} == {"service", "collector"}


def test_nobody_who_hangs_is_waited_for() -> None:
    with Silent() as silent:
        watched = feed_of(silent.url, silent.url)
        deadline_s = time.monotonic() + 20
        while {one.name for one in watched.refresh(WIDTH_S).away} != {"service", "collector"}:
            began_s = time.monotonic()
            watched.refresh(WIDTH_S)
            assert time.monotonic() - began_s < 3
            assert time.monotonic() < deadline_s
