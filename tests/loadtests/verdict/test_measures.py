"""Each measure by a run in which its promise is kept and one in which it is broken: every expectation can fail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from loadtests.books.client import Entry
from loadtests.books.ledger import Call, Charge, Webhook
from loadtests.scenario import Expectation
from loadtests.verdict.evidence import Band, Evidence, Generator, Window
from loadtests.verdict.judge import judge
from loadtests.verdict.later import charge_keys
from loadtests.verdict.measures import MEASURES
from loadtests.verdict.scope import percentile, scope_of
from loadtests.verdict.steps import request_id
from service.tracks.agent_record import charge_key
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

QUESTION = replace(ENTRY, kind="handbook", cited=2)
UNCITED = replace(QUESTION, cited=0)
BLIND = replace(QUESTION, degraded=("embeddings:circuit_open",))
JOB = replace(
    ENTRY, endpoint="/jobs", kind="job", source=None, status=202, key="j1", subject_id="job_1", state="queued"
)
JOB_DONE = replace(JOB, endpoint="/jobs/{job_id}", key=None, status=200, state="completed")
JOB_2 = replace(JOB, key="j2", subject_id="job_2")
JOB_2_DONE, JOB_2_FAILED = (replace(JOB_DONE, subject_id="job_2", state=state) for state in ("completed", "failed"))
JOB_REFUSED = replace(JOB, key="j3", subject_id=None, state=None, status=503, outcome="failed")
RUN = replace(JOB, endpoint="/agent", kind="agent", key="a1", subject_id="run_1")
RUN_DONE = replace(RUN, endpoint="/agent/{run_id}", key=None, status=200, state="rejected")
RUN_FAILED = replace(RUN_DONE, state="failed")
APPROVED = replace(RUN, endpoint="/agent/{run_id}/resume", key="d1", state="resuming", decision="approve")
TOO_LATE = replace(APPROVED, key="d2", status=409, outcome="refused", state=None)
REJECTED = replace(APPROVED, decision="reject")
RUN_2, APPROVED_2, TOO_LATE_2 = (
    replace(one, key=f"{one.key}-2", subject_id="run_2") for one in (RUN, APPROVED, TOO_LATE)
)
RUN_SEEN, RUN_2_SEEN = (replace(RUN_DONE, subject_id=run, created=T) for run in ("run_1", "run_2"))
REFUNDED, REFUNDED_2 = (Charge(T + 1, key, 100, "usd") for key in charge_keys([RUN_SEEN, RUN_2_SEEN]))
HOOK = Webhook(9, T + 2, "msg_1", "job.completed", "job_1", True, False, 200, None)
HOOK_AGAIN, FORGED = replace(HOOK, duplicate=True), replace(HOOK, message_id="msg_2", verified=False, status=401)
HOOK_LOST, HOOK_OTHER = replace(HOOK, status=503, fault="status"), replace(HOOK, message_id="msg_3")
HOOK_WAITS = replace(HOOK, event="agent.waiting", subject_id="run_1")


def step(name: str, begun: int, t: float, **more: Any) -> Call:
    """A call of a step of job_1, when that had been begun so often."""
    return replace(CALL, t=T + t, request_id=request_id(f"job_1/{name}", begun), **more)


KILL = Band("worker", "worker: killed with -9", T + 3, T + 3.2)
PAUSED = Band("worker", "worker: paused", T + 3, T + 3.2)
CUT = {"completed": False, "duration_s": 0.4}
"""A call that was under way when its caller died."""
DONE_1, DONE_2, AT_KILL = step("map/1", 1, 1), step("map/2", 1, 1), step("map/3", 1, 2.8, **CUT)
JUST_DONE = step("map/3", 1, 2.8)
WENT_ON, SUM = step("map/3", 2, 5), step("reduce/1/1", 2, 6)


@dataclass
class Seen:
    """What is known of a run."""

    entries: Sequence[Entry] = ()
    calls: Sequence[Call] = ()
    charges: Sequence[Charge] = ()
    bands: Sequence[Band] = ()
    webhooks: Sequence[Webhook] = ()

    def evidence(self, **more: Any) -> Evidence:
        window = Window("only", T, T + 10)
        generator = Generator(sent=len(self.entries) or 1)
        given = (T, T + 10, [window], self.entries, self.calls, self.charges, self.bands)
        return Evidence(*given, generator=generator, webhooks=self.webhooks, **more)


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
    "cited_share": Case({"at_least": 0.8}, of(QUESTION, ENTRY, FAILED), 1, of(QUESTION, UNCITED), 0.5),
    "retrieval_degraded_share": Case(
        {"at_most": 0.4}, of(QUESTION, QUESTION, BLIND, DEGRADED), 1 / 3, of(QUESTION, BLIND), 0.5
    ),
    "jobs_done_share": Case(
        {"at_least": 1}, of(JOB, JOB, JOB_DONE, JOB_2, JOB_2_DONE), 1, of(JOB, JOB_DONE, JOB_2, JOB_2_FAILED), 0.5
    ),
    "runs_done_share": Case({"at_least": 1}, of(RUN, RUN_DONE), 1, of(RUN, RUN_FAILED), 0),
    "job_steps_paid_twice": Case(
        {"at_most": 0},
        Seen([JOB], [DONE_1, DONE_2, JUST_DONE, AT_KILL, WENT_ON, SUM], bands=[KILL]),
        0,
        Seen([JOB], [DONE_1, DONE_2, AT_KILL, step("map/1", 2, 5), WENT_ON, SUM], bands=[KILL]),
        1,
    ),
    "redelivered_within_s": Case(
        {"at_most": 3},
        Seen([JOB, JOB_DONE], [DONE_1, AT_KILL, WENT_ON], bands=[KILL]),
        2,
        Seen([JOB, JOB_DONE], [DONE_1, AT_KILL, step("map/3", 2, 8)], bands=[KILL]),
        5,
    ),
    "webhooks_delivered_share": Case(
        {"at_least": 1},
        Seen([JOB, JOB_DONE, JOB_2], webhooks=[HOOK_LOST, HOOK, HOOK_AGAIN]),
        1,
        Seen([JOB, JOB_DONE, JOB_2, JOB_2_DONE], webhooks=[HOOK, replace(HOOK_LOST, subject_id="job_2")]),
        0.5,
    ),
    "webhook_ids_per_job": Case(
        {"at_most": 1},
        Seen([JOB], webhooks=[HOOK, HOOK_AGAIN, FORGED, HOOK_WAITS]),
        1,
        Seen([JOB], webhooks=[HOOK, HOOK_OTHER]),
        2,
    ),
    "decided_share": Case(
        {"at_least": 0.9}, of(RUN, APPROVED, TOO_LATE), 1, of(RUN, APPROVED, TOO_LATE, RUN_2, TOO_LATE_2), 0.5
    ),
    "charges_beyond_approvals": Case(
        {"at_most": 0},
        Seen([RUN, RUN_SEEN, APPROVED, TOO_LATE, RUN_2], charges=[REFUNDED]),
        0,
        Seen([RUN, RUN_SEEN, APPROVED, RUN_2, APPROVED_2], charges=[REFUNDED, REFUNDED]),
        2,
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


def test_a_job_that_nobody_took_is_not_done() -> None:
    assert verdict("jobs_done_share", of(JOB, JOB_DONE, JOB_REFUSED)).judged[0].measured == 0.5
    assert verdict("runs_done_share", of(RUN)).judged[0].measured == 0


def test_a_runs_charge_has_the_key_that_the_service_gives_it() -> None:
    assert charge_keys([RUN, RUN_SEEN, RUN_2_SEEN]) == {charge_key(run, T): run for run in ("run_1", "run_2")}


@pytest.mark.parametrize(
    ("entries", "charges", "found"),
    [
        ([RUN, APPROVED], [], 1),
        ([RUN, TOO_LATE, REJECTED], [REFUNDED], 1),
        ([RUN, APPROVED, RUN_2], [REFUNDED_2], 2),
        ([RUN, APPROVED], [REFUNDED, CHARGE], 1),
        ([RUN, APPROVED, replace(APPROVED, key="d3")], [REFUNDED], 1),
        ([RUN, APPROVED, replace(APPROVED, replayed=True)], [REFUNDED], 0),
    ],
    ids=["missing", "of a rejected run", "another run's", "nobody's", "approved twice", "told again"],
)
def test_charges_and_approvals_are_compared_run_by_run(entries: list[Entry], charges: list[Charge], found: int) -> None:
    judged = verdict("charges_beyond_approvals", Seen([*entries, RUN_SEEN, RUN_2_SEEN], charges=charges)).judged[0]
    assert (judged.measured, judged.passed) == (found, found == 0)


@pytest.mark.parametrize(
    "entries",
    [
        [RUN],
        [RUN, APPROVED, REJECTED],
        [RUN, APPROVED, replace(TOO_LATE, status=503, outcome="failed")],
        [RUN, TOO_LATE],
        [replace(RUN, subject_id=None, status=503, outcome="failed"), APPROVED],
    ],
    ids=["nobody", "two", "one and trouble", "none counts", "not taken"],
)
def test_what_is_not_decided_by_exactly_one_is_not_decided(entries: list[Entry]) -> None:
    assert verdict("decided_share", Seen(entries)).judged[0].measured == 0


def test_only_a_kill_explains_that_a_step_is_paid_again() -> None:
    calls = [DONE_1, JUST_DONE, WENT_ON]
    for bands, again in (([KILL], 0), ([PAUSED], 1), ([replace(KILL, target="store")], 1), ([], 1)):
        found = verdict("job_steps_paid_twice", Seen([JOB], calls, bands=bands))
        assert found.judged[0].measured == again


def test_calls_of_another_provider_or_of_nobodys_jobs_are_no_steps() -> None:
    foreign = replace(DONE_1, request_id=request_id("job_9/map/1", 1))
    found = verdict("job_steps_paid_twice", Seen([JOB], [foreign, foreign, CALL, CALL]))
    assert (found.word, found.judged[0].measured) == ("unknown", None)


def test_a_job_that_never_goes_on_is_never_redelivered_and_one_that_had_ended_need_not_be() -> None:
    calls = [DONE_1, AT_KILL]
    found = verdict("redelivered_within_s", Seen([JOB], calls, bands=[KILL]))
    assert found.judged[0].measured == math.inf
    found = verdict("redelivered_within_s", Seen([JOB, JOB_DONE], calls, bands=[KILL]))
    assert found.judged[0].measured is None


def test_of_kills_in_a_row_the_first_counts() -> None:
    again = replace(KILL, since=T + 4.5, until=T + 4.6)
    found = verdict("redelivered_within_s", Seen([JOB], [DONE_1, AT_KILL, WENT_ON], bands=[KILL, again]))
    assert found.judged[0].measured == pytest.approx(2)
    between = step("map/2", 2, 4)
    found = verdict("redelivered_within_s", Seen([JOB], [DONE_1, AT_KILL, between, WENT_ON], bands=[KILL, again]))
    assert found.judged[0].measured == pytest.approx(1)


def test_an_agent_that_waits_has_not_ended() -> None:
    seen = Seen([RUN, RUN_DONE], webhooks=[HOOK_WAITS])
    assert verdict("webhooks_delivered_share", seen).judged[0].measured == 0


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
        replace(JOB, request_id="job"),
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
    assert scoped(kind="job")[0] == ["job"]
    assert scoped(target="openai")[1] == [3]
    assert scoped(target="payments")[1] == [5]


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([], 0.5) is None
    assert percentile([7], 0.99) == 7
    assert [percentile(range(1, 101), share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([3, 1, 2], 0.5) == 2
