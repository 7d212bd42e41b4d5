"""Each measure by a run in which its promise is kept and one in which it is broken: every expectation can fail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from loadtests.books.client import Entry
from loadtests.books.ledger import Call, Charge
from loadtests.scenario import Expectation
from loadtests.verdict.evidence import Band, Evidence, Generator, Window
from loadtests.verdict.judge import judge
from loadtests.verdict.measures import MEASURES, percentile, scope_of
from tests.loadtests.small import WHY, phase, scenario

T = 1_800_000_000.0
ENTRY = Entry("e", T + 1, 100.0, "/chat", 200, "answered", source="live", kind="faq", callers="acme")
STREAM = replace(ENTRY, endpoint="/chat/stream", stream=True, first_token_ms=50.0)
REFUSED = replace(ENTRY, status=429, outcome="refused", source=None)
MESSAGE = replace(ENTRY, status=503, outcome="failed", source="message")
FAILED = replace(ENTRY, status=500, outcome="failed", source=None)
BROKEN = replace(STREAM, outcome="broken", source=None)
LOST = replace(ENTRY, status=None, outcome="lost", source=None)
DEGRADED = replace(ENTRY, source="provider", degraded=("anthropic:open",))
CACHED, SHARED, STALE = (replace(ENTRY, source=source) for source in ("cache", "shared", "stale"))
SLOW = replace(ENTRY, duration_ms=9000.0)
SLOW_STREAM = replace(STREAM, duration_ms=9000.0, first_token_ms=8000.0)
SLOW_FAILURE = replace(FAILED, duration_ms=9000.0)
PAID = replace(ENTRY, endpoint="/refund", kind="refund", source=None, key="k1")
PAID_2 = replace(PAID, key="k2")
UNPAID = replace(PAID, key="k3", outcome="failed", status=503)
CALL = Call(1, T + 1, "anthropic", "a", 1, "m", 200, 10, 10, 1_000_000, True, 0.1)
OTHER = replace(CALL, request_id="b")
AGAIN = replace(CALL, attempt=2)
LIMITED = replace(CALL, status=429, completed=True)
DEAR = replace(CALL, billed_nano_usd=50_000_000)
CHARGE = Charge(T + 1, "h1", 100, "usd")
CHARGE_2 = replace(CHARGE, idempotency_key="h2")
OUTAGE = Band("anthropic", "anthropic: status 503", T + 1, T + 5)
BACK, LATE = replace(CALL, t=T + 5.9), replace(CALL, t=T + 8.9)
"""Both end a tenth of a second later."""


@dataclass
class Seen:
    """What is known of a run."""

    entries: Sequence[Entry] = ()
    calls: Sequence[Call] = ()
    charges: Sequence[Charge] = ()
    bands: Sequence[Band] = ()

    def evidence(self, **more: Any) -> Evidence:
        window = Window("only", T, T + 10)
        generator = Generator(sent=len(self.entries) or 1)
        given = (T, T + 10, [window], self.entries, self.calls, self.charges, self.bands)
        return Evidence(*given, generator=generator, **more)


@dataclass
class Case:
    """A promise, where it is kept, what was measured there; and where it is broken."""

    bound: dict[str, Any]
    kept: Seen
    measured: float
    broken: Seen
    found: float
    more: dict[str, Any] = field(default_factory=dict)


def of(*entries: Entry) -> Seen:
    return Seen(entries)


REFUND = {"kind": "refund"}
ANTHROPIC = {"target": "anthropic"}
CASES: dict[str, Case] = {
    "success_share": Case({"at_least": 0.9}, of(ENTRY, REFUSED), 1.0, of(ENTRY, MESSAGE, LOST, REFUSED), 1 / 3),
    "refused_share": Case({"at_most": 0.2}, of(ENTRY, FAILED), 0.0, of(ENTRY, REFUSED), 0.5),
    "limited_share": Case({"at_least": 0.3}, of(ENTRY, REFUSED), 0.5, of(ENTRY, replace(REFUSED, status=400)), 0.0),
    "shed_share": Case({"at_most": 0.2}, of(ENTRY, FAILED), 0.0, of(ENTRY, MESSAGE), 0.5),
    "failed_share": Case({"at_most": 0.2}, of(ENTRY, REFUSED), 0.0, of(ENTRY, FAILED, BROKEN, LOST), 0.75),
    "broken_share": Case({"at_most": 0.2}, of(ENTRY, FAILED), 0.0, of(ENTRY, BROKEN, LOST, FAILED), 0.5),
    "honest_share": Case({"at_least": 0.9}, of(ENTRY, MESSAGE, REFUSED), 1.0, of(MESSAGE, FAILED, BROKEN, LOST), 0.25),
    "degraded_share": Case({"at_least": 0.3}, of(ENTRY, DEGRADED, FAILED), 0.5, of(ENTRY, FAILED), 0.0),
    "cached_share": Case({"at_least": 0.5}, of(CACHED, SHARED, ENTRY), 2 / 3, of(ENTRY, STALE), 0.0),
    "stale_share": Case({"at_most": 0.2}, of(ENTRY, CACHED), 0.0, of(ENTRY, STALE), 0.5),
    "p50_ms": Case({"at_most": 500}, of(ENTRY, ENTRY, SLOW), 100, of(ENTRY, SLOW, SLOW), 9000),
    "p95_ms": Case({"at_most": 500}, of(ENTRY, SLOW_FAILURE), 100, of(ENTRY, SLOW), 9000),
    "p99_ms": Case({"at_most": 500}, of(ENTRY, SLOW_FAILURE), 100, of(ENTRY, SLOW), 9000),
    "json_p99_ms": Case({"at_most": 500}, of(ENTRY, SLOW_STREAM), 100, of(ENTRY, SLOW), 9000),
    "any_p99_ms": Case({"at_most": 500}, of(ENTRY, REFUSED), 100, of(ENTRY, SLOW_FAILURE), 9000),
    "first_token_p95_ms": Case({"at_most": 500}, of(STREAM, SLOW), 50, of(STREAM, SLOW_STREAM), 8000),
    "first_token_p99_ms": Case({"at_most": 500}, of(STREAM, SLOW), 50, of(STREAM, SLOW_STREAM), 8000),
    "calls": Case({"at_most": 1}, Seen([ENTRY], [CALL]), 1, Seen([ENTRY], [CALL, AGAIN]), 2),
    "good_calls": Case({"at_least": 1}, Seen([ENTRY], [CALL, LIMITED]), 1, Seen([ENTRY], [LIMITED]), 0),
    "amplification": Case({"at_most": 1.2}, Seen([ENTRY], [CALL, OTHER]), 1, Seen([ENTRY], [CALL, AGAIN, OTHER]), 1.5),
    "refused_calls_share": Case({"at_most": 0.2}, Seen([ENTRY], [CALL]), 0, Seen([ENTRY], [CALL, LIMITED]), 0.5),
    "usd_per_1000": Case({"at_most": 2}, Seen([ENTRY], [CALL]), 1, Seen([ENTRY], [DEAR]), 50),
    "charges_per_order": Case(
        {"at_most": 1}, Seen([PAID], charges=[CHARGE, CHARGE_2]), 1, Seen([PAID], charges=[CHARGE, CHARGE]), 2, REFUND
    ),
    "charges_beyond": Case(
        {"at_most": 0},
        Seen([PAID, PAID, PAID_2, UNPAID], charges=[CHARGE, CHARGE_2]),
        0,
        Seen([PAID, UNPAID], charges=[CHARGE, CHARGE_2]),
        1,
        REFUND,
    ),
    "orders_done_share": Case(
        {"at_least": 0.9}, of(PAID, replace(PAID, outcome="refused")), 1, of(PAID, UNPAID), 0.5, REFUND
    ),
    "back_after_s": Case(
        {"at_most": 2},
        Seen([ENTRY], [CALL, BACK], bands=[OUTAGE]),
        1,
        Seen([ENTRY], [CALL, replace(BACK, status=503), LATE], bands=[OUTAGE]),
        4,
        ANTHROPIC,
    ),
}


def expected(name: str) -> Expectation:
    case = CASES[name]
    return Expectation(measure=name, why=WHY, **case.bound, **case.more)


def verdict(name: str, seen: Seen) -> Any:
    whole = scenario(phase()).model_copy(update={"expect": (expected(name),)})
    return judge(whole, seen.evidence(), books="balanced")


def test_every_measure_has_its_case() -> None:
    assert set(CASES) == set(MEASURES)


@pytest.mark.parametrize("name", CASES)
def test_a_promise_that_is_kept_passes(name: str) -> None:
    found = verdict(name, CASES[name].kept)
    assert (found.word, found.judged[0].passed) == ("pass", True)
    assert found.judged[0].measured == pytest.approx(CASES[name].measured)


@pytest.mark.parametrize("name", CASES)
def test_a_promise_that_is_broken_fails(name: str) -> None:
    found = verdict(name, CASES[name].broken)
    assert (found.word, found.judged[0].passed, found.reason) == ("fail", False, None)
    assert found.judged[0].measured == pytest.approx(CASES[name].found)


@pytest.mark.parametrize("name", sorted(set(CASES) - {"calls", "good_calls"}))
def test_where_nothing_happened_there_is_nothing_to_measure(name: str) -> None:
    found = verdict(name, Seen())
    assert (found.word, found.judged[0].measured) == ("unknown", None)


def test_no_call_at_all_is_a_number() -> None:
    assert verdict("calls", Seen([ENTRY])).judged[0].measured == 0


@pytest.mark.parametrize("name", CASES)
def test_what_the_ledger_knows_is_not_guessed_without_it(name: str) -> None:
    whole = scenario(phase()).model_copy(update={"expect": (expected(name),)})
    found = judge(whole, CASES[name].kept.evidence(has_ledger=False), books="not judged")
    assert (found.judged[0].measured is None) == MEASURES[name].from_ledger


def test_a_provider_that_is_never_asked_again_is_never_back() -> None:
    found = verdict("back_after_s", Seen([ENTRY], [CALL], bands=[OUTAGE]))
    assert (found.word, found.judged[0].measured, found.judged[0].said) == ("fail", math.inf, "never")


def test_the_last_of_several_faults_counts_and_those_of_others_do_not() -> None:
    again, of_other = replace(OUTAGE, since=T + 7, until=T + 8), replace(OUTAGE, target="openai", until=T + 9.5)
    found = verdict("back_after_s", Seen([ENTRY], [BACK, LATE], bands=[OUTAGE, again, of_other]))
    assert found.judged[0].measured == pytest.approx(1)


def test_a_call_that_was_under_way_when_the_fault_ended_is_no_sign_of_health() -> None:
    early = replace(CALL, t=T + 4.9, duration_s=3.0)
    found = verdict("back_after_s", Seen([ENTRY], [early, LATE], bands=[OUTAGE]))
    assert found.judged[0].measured == pytest.approx(4)


TWO = [Window("calm", T, T + 10), Window("storm", T + 10, T + 20)]


def scoped(**given: Any) -> Any:
    entries = [
        ENTRY,
        replace(ENTRY, request_id="late", t=T + 10, callers="quiet", kind="unique"),
        replace(PAID, request_id="paid", t=T + 19.9),
        replace(ENTRY, request_id="after", t=T + 20),
    ]
    calls = [
        CALL,
        replace(CALL, seq=2, t=T + 10),
        replace(CALL, seq=3, target="openai"),
        replace(CALL, target="rerank"),
    ]
    others = [replace(CALL, seq=4, target="rerank"), replace(CALL, seq=5, target="payments")]
    evidence = Evidence(T, T + 20, TWO, entries, [*calls, *others])
    found = scope_of(evidence, Expectation(measure="calls", at_most=1, why=WHY, **given))
    return [entry.request_id for entry in found.entries], [call.seq for call in found.calls]


def test_a_scope_is_what_was_due_in_its_phases_without_any_all_of_it_and_no_refunds() -> None:
    assert scoped() == (["e", "late", "after"], [1, 2, 3])
    assert scoped(during="calm") == (["e"], [1, 3])
    assert scoped(during="storm") == (["late"], [2])
    assert scoped(during=["calm", "storm"]) == (["e", "late"], [1, 2, 3])


def test_a_scope_may_be_one_group_one_kind_or_one_target() -> None:
    assert scoped(callers="quiet")[0] == ["late"]
    assert scoped(kind="faq")[0] == ["e", "after"]
    assert scoped(kind="refund")[0] == ["paid"]
    assert scoped(target="openai")[1] == [3]
    assert scoped(target="payments")[1] == [5]


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([], 0.5) is None
    assert percentile([7], 0.99) == 7
    assert [percentile(range(1, 101), share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([3, 1, 2], 0.5) == 2
