"""The service's book as a real collector gives it, told by the stock OTLP exporters."""

from __future__ import annotations

import itertools
import time
import uuid
from dataclasses import replace

import pytest

from loadtests.books.errors import CannotJudge
from loadtests.books.service import ServiceReader
from tests.collector import Collector
from tests.telling import Teller, attempt

from .world import balanced

QUARTERS = itertools.count(2)


@pytest.fixture
def began() -> float:
    """A quarter of an hour of its own in the past, so that tests do not read each other's records."""
    return time.time() - 900 * next(QUARTERS)


def test_a_record_is_read_as_it_was_told(collector: Collector, began: float) -> None:
    with Teller(collector) as teller:
        told = teller.record(
            t=began, degraded=["a:b"], cost_nano_usd=None, attempts=[attempt(1, "openai", "m", cost_nano_usd=None)]
        )
        teller.told()
    (record,) = ServiceReader(collector.url).read(began - 1, began + 1).records
    assert (record.request_id, record.instance, record.t) == (told["request_id"], "4711-ab", began)
    assert (record.degraded, record.cost_nano_usd) == (("a:b",), None)
    assert (record.attempts[0].target, record.attempts[0].exact) == ("openai", True)
    assert record.ended == pytest.approx(began + 0.0125)


def test_every_record_of_a_world_comes_through_whole(collector: Collector, began: float) -> None:
    world = balanced()
    records = [replace(record, t=began + number, instance="w-1") for number, record in enumerate(world.records)]
    with Teller(collector, "w-1") as teller:
        for record in records:
            teller.again(record)
        teller.told()
    found = ServiceReader(collector.url).read(began - 1, began + 100).records
    assert sorted(found, key=lambda record: record.t) == records


def test_only_the_time_that_is_asked_for_is_read(collector: Collector, began: float) -> None:
    with Teller(collector) as teller:
        told = [teller.record(t=began + number) for number in (0, 10, 20)]
        teller.told()
    reader = ServiceReader(collector.url)
    assert [r.request_id for r in reader.read(began + 5, began + 15).records] == [told[1]["request_id"]]
    assert [r.request_id for r in reader.by_request([told[2]["request_id"], "it's"])] == [told[2]["request_id"]]
    assert reader.by_request([]) == []


def test_records_beyond_a_page_are_read_too_also_those_of_one_moment(collector: Collector, began: float) -> None:
    with Teller(collector) as teller:
        told = {teller.record(t=began + number // 4)["request_id"] for number in range(23)}
        teller.told()
    for page_rows in (1, 3, 23, 100):
        book = ServiceReader(collector.url, page_rows).read(began - 1, began + 10)
        assert {record.request_id for record in book.records} == told
        assert len(book.records) == 23


def test_a_record_that_was_delivered_twice_is_one_and_is_told(collector: Collector, began: float) -> None:
    request_id = str(uuid.uuid4())
    for attempted in range(2):
        with Teller(collector) as teller:
            teller.record(request_id, t=began, trace_id="ab" * 16, span_id=7)
            if attempted:
                teller.record(request_id, t=began, trace_id="ab" * 16, span_id=7, status=500)
            teller.told()
    book = ServiceReader(collector.url).read(began - 1, began + 1)
    assert sorted(record.status for record in book.records) == [200, 500]
    assert book.redelivered == [request_id]


def test_the_records_of_a_key_are_found(collector: Collector, began: float) -> None:
    key = uuid.uuid4().hex
    with Teller(collector) as teller:
        told = teller.record(t=began, charge_key=key)
        teller.record(t=began)
        teller.told()
    assert [r.request_id for r in ServiceReader(collector.url).by_charge_key([key])] == [told["request_id"]]


def test_the_lives_of_workers_are_told_by_their_telemetry(collector: Collector, began: float) -> None:
    one, two = f"1-{uuid.uuid4().hex}", f"2-{uuid.uuid4().hex}"
    with Teller(collector, one) as teller:
        teller.started(began)
        record = teller.record(t=began + 5, duration_ms=2000.0)
        teller.trace(record, [("POST /chat", 3000, 10, {}, [], [])])
        teller.told()
    with Teller(collector, two) as teller:
        teller.started(began + 1)
        teller.stopped(began + 2)
        teller.told()
    lives = {life.id: life for life in ServiceReader(collector.url).read(began, began).instances}
    first, second = lives[one], lives[two]
    assert (first.started, first.stopped, first.last_record) == pytest.approx((began, None, began + 7), abs=1e-3)
    assert first.last_sign > time.time() - 60
    assert (second.started, second.stopped, second.last_record) == pytest.approx(
        (began + 1, began + 2, began + 1), abs=1e-3
    )


def test_who_works_through_the_queue_tells_how_long_it_is_and_who_does_not_answers(
    collector: Collector, began: float
) -> None:
    names = [f"{number}-{uuid.uuid4().hex}" for number in range(4)]
    for name, method in zip(names, ("POST", "WORK", "WORK", None), strict=True):
        with Teller(collector, name) as teller:
            teller.started(began)
            if method is not None:
                teller.record(t=began + 1, method=method)
            if name == names[1]:
                teller.works()
            teller.told()
    lives = {life.id: life.works for life in ServiceReader(collector.url).read(began, began).instances}
    assert [lives[name] for name in names] == [False, True, None, None]


def test_what_workers_could_not_deliver_is_read_from_their_metric(collector: Collector) -> None:
    reader, now = ServiceReader(collector.url), time.time()
    before = reader.read(now, now).dropped
    with Teller(collector, f"3-{uuid.uuid4().hex}") as teller:
        teller.dropped(5)
        teller.told()
    assert reader.read(now, now).dropped == before + 5
    assert reader.read(now + 60, now + 60).dropped == 0


def test_a_record_that_is_not_as_documented_is_not_judged(collector: Collector, began: float) -> None:
    with Teller(collector) as teller:
        teller.record(t=began, attempts=[{"n": "one"}])
        teller.told()
    with pytest.raises(CannotJudge, match=r"attempts\.0\.n"):
        ServiceReader(collector.url).read(began - 1, began + 1)


def test_a_collector_that_is_away_or_another_is_not_judged() -> None:
    with pytest.raises(CannotJudge, match="the collector does not answer"):
        ServiceReader("http://127.0.0.1:1").read(0, 1)


def test_what_is_no_collector_is_not_judged(simulator: dict[str, int]) -> None:
    with pytest.raises(CannotJudge, match="answered 404"):
        ServiceReader(f"http://127.0.0.1:{simulator['control']}").read(0, 1)
