"""What is on its way is waited for, for a bounded time; and what cannot be judged is not."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from loadtests.books import gather
from loadtests.books.ends import AgentRun, Message
from loadtests.books.errors import CannotJudge
from loadtests.books.findings import Reconciliation
from loadtests.books.gather import Asked
from loadtests.books.ledger import ProviderLedger, Webhook
from loadtests.books.service import Record, ServiceBook

from .world import BEGAN, ENDED, World, balanced, rid


@dataclass
class FakeService:
    """The service's book as a list; what is `late` comes with the given reading."""

    world: World
    late: dict[int, list[Record]] = field(default_factory=dict)
    outside: list[Record] = field(default_factory=list)
    told: list[Message] = field(default_factory=list)
    readings: int = 0
    url: str = "http://collector"

    def read(self, since: float, until: float) -> ServiceBook:
        self.readings += 1
        self.world.records += self.late.pop(self.readings, [])
        return ServiceBook(list(self.world.records), self.world.instances)

    def by_request(self, request_ids: Iterable[str]) -> list[Record]:
        wanted = set(request_ids)
        return [record for record in self.outside if record.request_id in wanted]

    def by_charge_key(self, keys: Iterable[str]) -> list[Record]:
        wanted = set(keys)
        return [record for record in self.outside if record.charge_key in wanted]

    def by_message(self, message_ids: Iterable[str]) -> list[Message]:
        wanted = set(message_ids)
        return [message for message in self.told if message.message_id in wanted]

    def by_run_key(self, keys: Iterable[str]) -> list[AgentRun]:
        return []


@dataclass
class FakeLedger:
    """The world's ledger."""

    world: World
    readings: int = 0

    def read(self) -> ProviderLedger:
        self.readings += 1
        return self.world.books().ledger


def shifted(world: World) -> World:
    """The world, having ended a moment ago."""
    by = time.time() - ENDED
    world.entries = [replace(entry, t=entry.t + by) for entry in world.entries]
    world.records = [replace(record, t=record.t + by) for record in world.records]
    world.calls = [replace(row, t=row.t + by) for row in world.calls]
    world.charges = [replace(charge, t=charge.t + by) for charge in world.charges]
    world.instances = [
        replace(
            life,
            started=life.started + by,
            stopped=None if life.stopped is None else life.stopped + by,
            last_record=life.last_record + by,
            last_sign=life.last_sign + by,
        )
        for life in world.instances
    ]
    return world


def judge(world: World, service: FakeService, patience_s: float = 5, **asked: Any) -> tuple[Reconciliation, int]:
    """The result and how often the books were read."""
    by = time.time() - ENDED
    given: dict[str, Any] = {"since": BEGAN + by - 1, "until": ENDED + by, "client": world.entries, **asked}
    ledger: Any = FakeLedger(world)
    reader: Any = service
    _, found = gather.judge(Asked(**given), reader, ledger, patience_s=patience_s, sleep=lambda _: None)
    return found, service.readings


def test_books_in_which_nothing_is_open_are_read_once() -> None:
    world = shifted(balanced())
    found, readings = judge(world, FakeService(world))
    assert (found.balanced, readings) == (True, 1)


def test_a_record_that_comes_late_is_waited_for() -> None:
    world = shifted(balanced())
    by = time.time() - ENDED
    world.add("late", 99 + by, entry={}, record={})
    late = {3: [world.records.pop()]}
    found, readings = judge(world, FakeService(world, late))
    assert (found.balanced, readings) == (True, 3)


def test_a_record_that_never_comes_is_a_difference_after_some_time() -> None:
    world = shifted(balanced())
    world.add("never", 99 + time.time() - ENDED, entry={}, record={})
    world.records.pop()
    found, readings = judge(world, FakeService(world), patience_s=0.05)
    assert [one.request_id for one in found.differences] == [rid("never")]
    assert readings > 1


def test_calls_of_a_request_from_before_are_recognised() -> None:
    world = shifted(balanced())
    by = time.time() - ENDED
    world.add("before", by - 5, record={"charge_key": "d" * 64, "endpoint": "/refund"})
    outside = world.records.pop()
    world.calls.append(replace(world.calls[0], request_id=rid("before"), t=BEGAN + by + 1))
    world.charges.append(replace(world.charges[0], idempotency_key="d" * 64, t=BEGAN + by + 1))
    assert judge(world, FakeService(world, outside=[outside]))[0].balanced
    assert not judge(world, FakeService(world), patience_s=0)[0].balanced


def test_a_request_that_the_client_knows_is_looked_up_whenever_it_arrived() -> None:
    world = shifted(balanced())
    record = world.records.pop(2)
    assert record.request_id == rid("hit")
    assert judge(world, FakeService(world, outside=[record]))[0].balanced


def test_a_record_of_an_earlier_run_of_the_seed_does_not_count() -> None:
    """The same request id, but not this request: the one of this run is waited for instead."""
    world = shifted(balanced())
    world.add("again", 99 + time.time() - ENDED, entry={}, record={})
    record = world.records.pop()
    earlier = replace(record, t=record.t - 300, status=500, outcome="failed")
    found, readings = judge(world, FakeService(world, {3: [record]}, outside=[earlier]))
    assert (found.balanced, readings) == (True, 3)


def test_where_only_a_record_of_an_earlier_run_comes_the_request_has_none() -> None:
    world = shifted(balanced())
    earlier = replace(world.records.pop(2), t=time.time() - 300)
    found, _ = judge(world, FakeService(world, outside=[earlier]), patience_s=0.05)
    assert [(one.request_id, one.service) for one in found.differences][:1] == [(rid("hit"), "no record")]


def test_a_ledger_that_begins_too_late_is_not_judged_unless_less_will_do() -> None:
    world = shifted(balanced())
    by = time.time() - ENDED
    world.complete_from = BEGAN + by + 2.5
    with pytest.raises(CannotJudge, match=r"2 requests of the time called before that; `gauntlet books --since \d+s`"):
        judge(world, FakeService(world), client=None)
    found, _ = judge(world, FakeService(world), client=None, clip=True)
    assert found.balanced
    (requests,) = [line for line in found.lines if line.rule == "requests"]
    assert requests.service == 12


def test_a_service_that_told_nothing_at_all_is_not_judged() -> None:
    world = shifted(balanced())
    world.records, world.instances = [], []
    with pytest.raises(CannotJudge, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        judge(world, FakeService(world))


def test_nothing_at_all_balances() -> None:
    assert judge(World(), FakeService(World()))[0].balanced


def test_a_ledger_that_was_kept_is_not_asked_for() -> None:
    world = shifted(balanced())
    service: Any = FakeService(world)
    by = time.time() - ENDED
    kept = world.books().ledger
    asked = Asked(BEGAN + by - 1, ENDED + by, world.entries, kept=kept)
    no_ledger: Any = None
    assert gather.judge(asked, service, no_ledger)[1].balanced


def test_a_message_whose_end_was_told_at_another_time_is_looked_up() -> None:
    world = shifted(balanced())
    t = time.time() - 60
    world.received = [Webhook(1, t, "msg_1", "job.completed", "job_1", True, False, 200, None)]
    told = Message("msg_1", "delivered", 1, t - 5000, t, "127.0.0.1:8105")
    assert judge(world, FakeService(world, told=[told]))[0].balanced
    assert not judge(world, FakeService(world), patience_s=0)[0].balanced
