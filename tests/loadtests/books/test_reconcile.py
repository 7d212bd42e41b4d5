"""Each rule with books that agree, and with one of them altered on purpose: exactly that request is found."""

import uuid
from dataclasses import replace
from typing import Any

import pytest

from loadtests.books.findings import Kind
from loadtests.books.ledger import Charge
from loadtests.books.reconcile import reconcile, uncovered

from .world import BEGAN, GPT, KILLED, NOW, OPUS, PAYMENTS, World, attempt, balanced, call, found, rid


def sums(world: World) -> dict[tuple[str, str], tuple[int | None, int | None, int | None]]:
    return {(line.rule, line.what): (line.client, line.service, line.ledger) for line in world.judged().lines}


def listed(world: World, rule: str) -> list[str]:
    return [request_id for line in world.judged().lines if line.rule == rule for request_id in line.ids]


def alter_entry(world: World, name: str, **changes: Any) -> None:
    world.entries = [replace(e, **changes) if e.request_id == rid(name) else e for e in world.entries]


def alter_record(world: World, name: str, **changes: Any) -> None:
    world.records = [replace(r, **changes) if r.request_id == rid(name) else r for r in world.records]


def alter_attempt(world: World, name: str, n: int, **changes: Any) -> None:
    record = next(r for r in world.records if r.request_id == rid(name))
    attempts = tuple(replace(a, **changes) if a.n == n else a for a in record.attempts)
    alter_record(world, name, attempts=attempts)


def alter_call(world: World, name: str, n: int, **changes: Any) -> None:
    world.calls = [replace(c, **changes) if (c.request_id, c.attempt) == (rid(name), n) else c for c in world.calls]


def test_nothing_differs_where_the_books_agree() -> None:
    result = balanced().judged()
    assert result.balanced
    assert not result.open
    assert {line.kind for line in result.lines} == {"exact", "interval", "explained", "not compared"}


def test_every_request_is_counted_under_its_rule() -> None:
    counted = sums(balanced())
    assert counted["requests", "requests"] == (13, 13, None)
    assert counted["outcomes", "answered"] == (7, 7, None)
    assert counted["calls", "anthropic 200"] == (None, 3, 3)
    assert counted["calls", "anthropic no status"] == (None, 1, 1)
    assert counted["usage", "input tokens"] == (None, 410, 410)
    assert counted["interval", "ended early: bill"] == (None, 9_000, 1_975)
    assert counted["charges", "refunds and charges"] == (1, 1, 1)
    assert counted["foreign", "calls without a request id of ours"] == (None, None, 2)
    assert counted["strangers", "requests of other callers"] == (None, 1, None)
    assert counted["unpriced", "calls of models without a price"] == (None, 1, 1)
    assert counted["refused", "refused connections"] == (None, 1, None)


def test_what_is_explained_is_listed_by_request() -> None:
    world = balanced()
    assert listed(world, "lost") == [rid("killed")]
    assert listed(world, "unread") == [rid("unread")]
    assert listed(world, "ambiguous") == [rid("doubt")]
    assert listed(world, "unreached") == [rid("in vain")]


def test_without_a_clients_book_two_books_are_compared_and_it_is_said() -> None:
    world = balanced()
    world.has_client = False
    result = world.judged()
    assert result.balanced
    assert "no client's book" in result.notes[0]
    assert {line.kind for line in result.lines if line.rule == "requests"} == {"not compared"}
    alter_call(world, "plain", 1, output_tokens=21)
    assert found(world, "plain", rule="usage")


# ---- client against service


def test_a_line_that_is_missing_from_the_clients_book_is_found() -> None:
    world = balanced()
    world.entries = [entry for entry in world.entries if entry.request_id != rid("hit")]
    assert found(world, "hit", rule="requests", client="not sent")


def test_a_record_that_is_missing_is_found() -> None:
    world = balanced()
    world.records = [record for record in world.records if record.request_id != rid("hit")]
    assert found(world, "hit", rule="requests", service="no record")


def test_a_record_too_many_is_found() -> None:
    world = balanced()
    world.records.append(next(r for r in world.records if r.request_id == rid("hit")))
    assert found(world, "hit", rule="requests", client=1, service=2)


def test_a_request_id_that_was_sent_twice_has_two_records() -> None:
    world = balanced()
    world.entries.append(next(e for e in world.entries if e.request_id == rid("hit")))
    assert found(world, "hit", rule="requests")
    world.records.append(next(r for r in world.records if r.request_id == rid("hit")))
    assert world.judged().balanced


@pytest.mark.parametrize(
    ("name", "changes", "what"),
    [
        ("plain", {"status": 500}, "status"),
        ("plain", {"outcome": "failed"}, "outcome"),
        ("plain", {"outcome": "cancelled"}, "outcome"),
        ("limited", {"outcome": "answered"}, "outcome"),
        ("honest", {"outcome": "answered"}, "outcome"),
        ("broken", {"outcome": "answered"}, "outcome"),
        ("left", {"status": 500}, "status"),
        ("plain", {"source": "cache"}, "source"),
        ("fallback", {"degraded": ()}, "degraded"),
        ("plain", {"instance": "112-aa"}, "worker"),
        ("replay", {"replayed": False}, "replayed"),
    ],
)
def test_a_record_that_says_something_else_is_found(name: str, changes: dict[str, Any], what: str) -> None:
    world = balanced()
    alter_record(world, name, **changes)
    assert found(world, name, rule="outcomes", what=what)


@pytest.mark.parametrize("what", ["input_tokens", "output_tokens", "cost_nano_usd"])
def test_usage_that_was_told_otherwise_by_one_is_found(what: str) -> None:
    world = balanced()
    entry = next(e for e in world.entries if e.request_id == rid("plain"))
    alter_entry(world, "plain", **{what: getattr(entry, what) + 1})
    assert found(world, "plain", rule="told", what=what)


@pytest.mark.parametrize("what", ["input_tokens", "output_tokens", "cost_nano_usd", "unpriced"])
def test_a_record_that_does_not_add_up_is_found_without_a_client(what: str) -> None:
    world = balanced()
    world.has_client = False
    record = next(r for r in world.records if r.request_id == rid("fallback"))
    alter_record(world, "fallback", **{what: getattr(record, what) + 1})
    assert found(world, "fallback", rule="totals", what=what)


def test_an_answer_that_the_client_lost_half_way_was_not_answered() -> None:
    world = balanced()
    alter_entry(world, "plain", outcome="lost")
    assert found(world, "plain", what="outcome")


def test_a_lost_request_whose_calls_are_known_is_missed() -> None:
    world = balanced()
    world.calls.append(replace(world.calls[0], request_id=rid("in vain"), t=BEGAN + 14.1))
    assert found(world, "in vain", rule="requests")


def test_who_left_before_the_service_had_read_anything_was_never_there() -> None:
    world = balanced()
    place = next(n for n, entry in enumerate(world.entries) if entry.request_id == rid("in vain"))
    world.entries[place] = replace(world.entries[place], outcome="left")
    assert listed(world, "unreached") == [rid("in vain")]
    world.entries[place] = replace(world.entries[place], status=200)
    assert found(world, "in vain", rule="requests")


def test_the_usage_that_is_told_is_the_models_and_the_cost_all_of_it() -> None:
    world = balanced()
    vectors, order = ("embeddings", "text-embedding-3-small"), ("rerank", "bge-reranker-v2-m3")
    world.add(
        "handbook", 40, entry={"input_tokens": 100, "output_tokens": 20}, record={"source": "live"},
        attempts=[
            attempt(1, vectors, tokens=(13, 0), cost=260),
            attempt(2, order, tokens=(900, 0)),
            attempt(3, OPUS, tokens=(100, 20), cost=1_001),
        ],
        calls=[
            call(1, vectors, tokens=(13, 0), bill=260),
            call(2, order, tokens=(900, 0)),
            call(3, OPUS, tokens=(100, 20), bill=1_001),
        ],
    )  # fmt: skip
    assert world.judged().balanced
    right = world.entries[-1]
    for what, wrong in (
        ("input_tokens", replace(right, input_tokens=1_013)),
        ("output_tokens", replace(right, output_tokens=0)),
        ("cost_nano_usd", replace(right, cost_nano_usd=1_001)),
    ):
        world.entries[-1] = wrong
        assert found(world, "handbook", rule="told", what=what)


def test_other_callers_are_told_from_the_client_by_the_kind_of_their_ids() -> None:
    world = balanced()
    stranger = next(r for r in world.records if r.request_id not in {e.request_id for e in world.entries})
    entry = replace(world.entries[0], request_id="6f9619ff-8b86-4011-b42d-00cf4fc964ff", t=BEGAN + 20)
    world.entries.append(entry)
    world.records.append(replace(world.records[2], request_id=entry.request_id, source="live", t=BEGAN + 20))
    world.entries[-1] = replace(entry, input_tokens=None, output_tokens=None, cost_nano_usd=None)
    differences = world.judged().differences
    assert [(one.request_id, one.what) for one in differences] == [(stranger.request_id, "request")]


def test_what_was_under_way_when_the_client_was_killed_is_explained() -> None:
    world = balanced()
    last = max(world.entries, key=lambda entry: entry.ended)
    world.add("half", 61.05, record={"source": "cache"})
    assert found(world, "half", rule="requests")
    world.closed = False
    assert world.judged().balanced
    assert listed(world, "unclosed") == [rid("half")]
    alter_record(world, "half", t=last.t - 5)
    assert found(world, "half", rule="requests")


# ---- what a kill took along


def test_a_kill_explains_only_requests_of_its_time() -> None:
    world = balanced()
    alter_entry(world, "killed", t=BEGAN + 30)
    alter_call(world, "killed", 1, t=BEGAN + 30)
    assert found(world, "killed", rule="requests")


def test_a_kill_explains_only_requests_of_its_worker() -> None:
    world = balanced()
    alter_entry(world, "killed", worker="111")
    assert found(world, "killed", rule="requests")


def test_a_kill_explains_a_request_whose_worker_is_not_known() -> None:
    world = balanced()
    alter_entry(world, "killed", worker=None, status=None)
    assert world.judged().balanced


def test_a_worker_that_was_ended_in_order_lost_nothing() -> None:
    world = balanced()
    world.instances[1] = replace(world.instances[1], stopped=BEGAN + 61)
    assert found(world, "killed", rule="requests")


def test_a_worker_that_still_speaks_is_alive() -> None:
    world = balanced()
    world.instances[1] = replace(world.instances[1], last_sign=NOW - 1)
    assert found(world, "killed", rule="requests")


def test_a_worker_that_fell_silent_is_dead_without_a_replacement() -> None:
    world = balanced()
    world.instances.pop()
    assert listed(world, "lost") == [rid("killed")]


def test_a_worker_that_had_nothing_to_record_lost_only_what_its_last_export_missed() -> None:
    world = balanced()
    world.instances[1] = replace(world.instances[1], last_record=BEGAN - 10, last_sign=BEGAN + 60.5)
    assert listed(world, "lost") == [rid("killed")]
    alter_entry(world, "killed", t=BEGAN + 30, worker=None)
    alter_call(world, "killed", 1, t=BEGAN + 30)
    assert found(world, "killed", rule="requests")


def test_without_a_client_a_kill_explains_calls() -> None:
    world = balanced()
    world.has_client = False
    assert listed(world, "lost") == [rid("killed")]
    alter_call(world, "killed", 1, t=BEGAN + 50)
    assert found(world, "killed", rule="calls", service="no record")


def test_a_kill_explains_a_charge_of_its_time() -> None:
    world = balanced()
    world.charges.append(Charge(KILLED - 0.5, "c" * 64, 1, "usd"))
    assert world.judged().balanced
    world.charges[-1] = replace(world.charges[-1], t=BEGAN + 40)
    assert [one.rule for one in world.judged().differences] == ["charges"]


def test_differences_come_with_what_workers_could_not_deliver() -> None:
    world = balanced()
    books = world.books()
    dropped = replace(books, service=replace(books.service, dropped=7))
    assert reconcile(dropped).notes == []
    world.records = world.records[1:]
    books = world.books()
    dropped = replace(books, service=replace(books.service, dropped=7))
    assert "7 of their log records never reached" in reconcile(dropped).notes[0]


def test_a_record_that_was_delivered_again_is_explained() -> None:
    books = balanced().books()
    again = reconcile(replace(books, service=replace(books.service, redelivered=[rid("plain")])))
    assert again.balanced
    assert [line.ids for line in again.lines if line.rule == "redelivered"] == [[rid("plain")]]


# ---- service against ledger


def test_a_row_that_is_missing_from_the_ledger_is_found() -> None:
    world = balanced()
    world.calls = [row for row in world.calls if (row.request_id, row.attempt) != (rid("fallback"), 2)]
    assert found(world, "fallback", rule="calls", target="anthropic", attempt=2, ledger="no such call")


def test_a_row_twice_in_the_ledger_is_found() -> None:
    world = balanced()
    world.calls.append(next(row for row in world.calls if row.request_id == rid("plain")))
    assert found(world, "plain", rule="calls", attempt=1, service="no such attempt")


def test_a_call_that_nobody_recorded_is_found() -> None:
    world = balanced()
    world.calls.append(replace(world.calls[0], request_id=rid("unknown"), t=BEGAN + 20))
    assert found(world, "unknown", rule="calls", service="no record")


@pytest.mark.parametrize(
    ("name", "changes", "rule", "what"),
    [
        ("plain", {"status": 500}, "calls", "status"),
        ("plain", {"status": None}, "calls", "status"),
        ("plain", {"model": "another"}, "calls", "model"),
        ("plain", {"target": "openai"}, "calls", "attempt"),
        ("plain", {"attempt": 2}, "calls", "attempt"),
        ("plain", {"input_tokens": 101}, "usage", "input_tokens"),
        ("plain", {"output_tokens": 19}, "usage", "output_tokens"),
        ("plain", {"billed_nano_usd": 1_000_002}, "usage", "cost_nano_usd"),
        ("unpriced", {"output_tokens": 21}, "usage", "output_tokens"),
        ("left", {"billed_nano_usd": 3_001}, "interval", "billed_nano_usd"),
        ("left", {"billed_nano_usd": -1}, "interval", "billed_nano_usd"),
        ("left", {"output_tokens": 101}, "interval", "output_tokens"),
        ("broken", {"status": 503}, "calls", "status"),
        ("cut", {"completed": True}, "calls", "status"),
        ("doubt", {"billed_nano_usd": 1}, "interval", "billed_nano_usd"),
    ],
)
def test_a_row_that_says_something_else_is_found(name: str, changes: dict[str, Any], rule: str, what: str) -> None:
    world = balanced()
    alter_call(world, name, 1, **changes)
    assert found(world, name, rule=rule, what=what)


@pytest.mark.parametrize(
    ("name", "changes", "rule"),
    [
        ("plain", {"upstream_status": None}, "calls"),
        ("plain", {"exact": False}, "interval"),
        ("plain", {"cost_nano_usd": 1}, "usage"),
        ("left", {"most_nano_usd": 674}, "interval"),
        ("left", {"most_nano_usd": None}, "interval"),
        ("unread", {"upstream_status": 200}, "calls"),
        ("unread", {"status": "unavailable"}, "calls"),
        ("honest", {"status": "unavailable"}, "calls"),
    ],
)
def test_an_attempt_that_says_something_else_is_found(name: str, changes: dict[str, Any], rule: str) -> None:
    world = balanced()
    alter_attempt(world, name, 1, **changes)
    assert found(world, name, rule=rule)


@pytest.mark.parametrize("status", ["timed_out", "cancelled"])
def test_an_answer_that_came_too_late_is_no_difference(status: str) -> None:
    world = balanced()
    alter_attempt(world, "cut", 1, status=status)
    alter_call(world, "cut", 1, completed=True)
    assert world.judged().balanced


def test_a_call_that_still_runs_is_waited_for_and_not_judged() -> None:
    world = balanced()
    alter_call(world, "left", 1, duration_s=None, status=None)
    world.calls.append(replace(world.calls[0], request_id=rid("going on"), t=BEGAN + 99, duration_s=None))
    result = world.judged()
    assert result.balanced
    assert result.open == {rid("left"), rid("going on")}


def test_what_ended_just_now_is_waited_for() -> None:
    world = balanced()
    world.now = BEGAN + 95
    world.records = [r for r in world.records if r.request_id != rid("plain")]
    assert not world.judged().open
    alter_entry(world, "plain", t=BEGAN + 94)
    alter_call(world, "plain", 1, t=BEGAN + 94)
    assert world.judged().open == {rid("plain")}


def test_what_lies_outside_of_the_time_is_left_alone() -> None:
    world = balanced()
    world.add("before", -1, record={}, attempts=[attempt(1, OPUS, tokens=(1, 1), cost=5)])
    world.calls.append(replace(world.calls[0], request_id=rid("after"), t=BEGAN + 101))
    assert world.judged().balanced


def test_a_ledger_that_begins_too_late_covers_nothing_before() -> None:
    world = balanced()
    world.complete_from = BEGAN + 2.5
    assert uncovered(world.books()) == [rid("plain"), rid("fallback")]
    world.complete_from = BEGAN + 0.5
    assert uncovered(world.books()) == []


# ---- charges


def test_a_charge_twice_is_found_whatever_the_refund_said() -> None:
    for name, charge in (("refund", 0), ("doubt", 1)):
        world = balanced()
        world.charges.append(world.charges[charge])
        assert found(world, name, rule="charges", ledger=2)


def test_a_refund_without_a_charge_is_found() -> None:
    world = balanced()
    world.charges.pop(0)
    assert found(world, "refund", rule="charges", ledger=0)


def test_a_charge_for_a_refund_that_was_refused_is_found() -> None:
    world = balanced()
    alter_record(world, "doubt", status=402, outcome="refused")
    alter_entry(world, "doubt", status=402, outcome="refused")
    assert found(world, "doubt", rule="charges", service="refused, 402")


def test_a_charge_that_nobody_asked_for_is_found() -> None:
    world = balanced()
    world.charges.append(Charge(BEGAN + 30, "c" * 64, 1, "usd"))
    (one,) = world.judged().differences
    assert (one.rule, one.service) == ("charges", "nobody asked")


def test_a_charge_of_somebody_else_is_counted() -> None:
    world = balanced()
    world.charges.append(Charge(BEGAN + 30, None, 1, "usd"))
    assert world.judged().balanced
    assert sums(world)["foreign", "charges without a key"] == (None, None, 1)


def test_a_key_of_the_client_that_goes_downstream_as_two_is_found() -> None:
    world = balanced()
    alter_entry(world, "doubt", key="k1")
    assert found(world, "doubt", rule="charges", what="one key sent as several")


def test_the_same_key_of_two_callers_is_two_operations() -> None:
    world = balanced()
    alter_entry(world, "doubt", key="k1")
    alter_record(world, "doubt", user="another")
    assert world.judged().balanced


def test_a_refund_that_calls_payments_without_a_key_is_found() -> None:
    world = balanced()
    alter_record(world, "refund", charge_key=None)
    assert found(world, "refund", rule="totals", what="charge_key")


def test_a_refund_that_the_client_was_told_and_nobody_was_asked_for_is_found() -> None:
    world = balanced()
    world.add("made up", 20, entry={"endpoint": "/refund", "key": "k3"}, record={"endpoint": "/refund"})
    assert found(world, "made up", rule="charges", client="key k3, 200", service="none")


def test_a_charge_of_just_now_is_waited_for() -> None:
    world = balanced()
    world.now = BEGAN + 95
    world.charges.append(Charge(BEGAN + 94, "c" * 64, 1, "usd"))
    assert "c" * 64 in world.judged().open


def test_a_stored_response_that_calls_payments_is_found() -> None:
    world = balanced()
    alter_record(world, "replay", attempts=(attempt(1, PAYMENTS),), charge_key="a" * 64)
    world.calls.append(replace(call(1, ("payments", None)), request_id=rid("replay"), t=BEGAN + 9))
    assert found(world, "replay", what="replayed")


def test_a_repetition_after_a_failure_in_doubt_moves_nothing_more() -> None:
    world = balanced()
    world.add(
        "again", 20, entry={"endpoint": "/refund", "key": "k2"},
        record={"endpoint": "/refund", "charge_key": "b" * 64},
        attempts=[attempt(1, PAYMENTS)], calls=[call(1, ("payments", None))],
    )  # fmt: skip
    assert world.judged().balanced
    assert listed(world, "ambiguous") == []


def test_lines_come_in_the_order_of_the_rules() -> None:
    world = balanced()
    world.add(
        "late", 30, entry={}, attempts=[attempt(1, GPT, "unavailable", 404)], calls=[call(1, GPT, 404)], record={}
    )
    calls = [line.what for line in world.judged().sorted() if line.rule == "calls"]
    assert calls == sorted(calls)
    kinds: list[Kind] = [line.kind for line in world.judged().sorted()]
    assert kinds.index("explained") < kinds.index("not compared")


def test_an_honest_message_at_the_end_of_a_stream_is_no_answer() -> None:
    world = balanced()
    alter_entry(world, "plain", source="message")
    place = next(n for n, record in enumerate(world.records) if record.request_id == rid("plain"))
    world.records[place] = replace(world.records[place], source="message", outcome="unavailable")
    assert world.judged().balanced
    world.records[place] = replace(world.records[place], outcome="degraded")
    assert found(world, "plain", what="outcome")


# ---- the service's own work


def work(world: World, at: float, **given: Any) -> str:
    """A step of a job, whose id no client can have made."""
    request_id = str(uuid.UUID("0190b5c2-7d4e-8a3b-9c21-5f6e7d8c9b0a"))
    calls = [call(1, OPUS, tokens=(100, 20), bill=1_000)]
    world.add("a step", at, calls=calls, request_id=request_id, **given)
    return request_id


def test_own_work_is_held_against_the_ledger_and_expected_of_no_client() -> None:
    world = balanced()
    record = {"source": "live", "endpoint": "/jobs"}
    request_id = work(world, 30, record=record, attempts=[attempt(1, OPUS, tokens=(100, 20), cost=1_000)])
    assert world.judged().balanced
    assert sums(world)["work", "steps of the service's own work, with no client"] == (None, 1, None)
    world.calls = [row for row in world.calls if row.request_id != request_id]
    (difference,) = world.judged().differences
    assert (difference.rule, difference.request_id) == ("calls", request_id)


def test_own_work_that_a_kill_took_along_is_explained_and_any_other_is_not() -> None:
    world = balanced()
    request_id = work(world, 71)
    assert world.judged().balanced
    assert request_id in listed(world, "lost")
    world = balanced()
    request_id = work(world, 30)
    assert {one.request_id for one in world.judged().differences} == {request_id}
