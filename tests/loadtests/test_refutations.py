"""Every kind of expectation can fail: some runs with something wrong refute each of them, and no run passes.

What is wrong is a stage that is off, a limit that is wrong, the chapter's PoC in the service's place, or somebody who
does what the service never would.
"""

from collections.abc import Callable

import pytest

from loadtests import scenario
from loadtests.conduct import Finished

from .lanes import Case
from .meddling import a_sender_makes_messages_anew, a_store_forgets_finished_steps
from .test_scenarios import WITHIN_S

SLOW_COOLDOWN = (("GAUNTLET_BREAKER__COOLDOWN_S", "300"),)
TIGHT_TENANTS = tuple(
    (f"GAUNTLET_RATE_LIMIT__TENANT__{name}", value)
    for name, value in (("REQUESTS_PER_MIN", "30"), ("BURST", "1"), ("TOKENS_PER_MIN", "1000000"))
)
NO_TIME_TO_PAY = (("GAUNTLET_PAYMENTS__DEADLINE_S", "0.02"),)
NO_PATIENCE = (("GAUNTLET_AGENT__RETRY_S", "0.2"), ("GAUNTLET_AGENT__RETRY_WITHIN_S", "1"))
NO_APPROVALS = (("GAUNTLET_AGENT__APPROVAL_ABOVE", "100000000"),)
ONE_AT_A_TIME = (("GAUNTLET_ADMISSION", "1"),)
TOLD_ONCE = (("GAUNTLET_WEBHOOKS__TRIES", "1"), ("GAUNTLET_JOBS__DEADLINE_S", "0.2"))
LEFT_ALONE = (("GAUNTLET_QUEUE__REDELIVER_S", "40"),)

REFUTED: dict[Case, set[tuple[str, str]]] = {
    Case("outage", off=("breaker",), phases=("before", "outage")): {("calls", "at_most"), ("amplification", "at_most")},
    Case("outage", off=("fallback",), phases=("before", "outage")): {
        ("success_share", "at_least"),
        ("degraded_share", "at_least"),
    },
    Case("outage", settings=SLOW_COOLDOWN): {("back_after_s", "at_most")},
    Case("faq", off=("cache",)): {
        *(("cached_share", "at_least"), ("calls", "at_most"), ("usd_per_1000", "at_most"), ("p50_ms", "at_most")),
    },
    Case("rate-limits", off=("breaker",)): {("refused_calls_share", "at_most")},
    Case("rate-limits", quotas=(("anthropic", 20),)): {("good_calls", "at_least")},
    Case("both-down", off=("fallback",), phases=("before", "down")): {("honest_share", "at_least")},
    Case("noisy-neighbour", off=("rate_limit",)): {("limited_share", "at_least")},
    Case("noisy-neighbour", settings=TIGHT_TENANTS): {("limited_share", "at_most")},
    Case("broken-streams", off=("fallback",)): {("broken_share", "at_most")},
    Case("steady", settings=TIGHT_TENANTS): {("refused_share", "at_most")},
    Case("steady", quotas=(("anthropic", 30),)): {("degraded_share", "at_most")},
    Case("slow", poc=True, phases=("slower", "slow")): {
        *(("first_token_p99_ms", "at_most"), ("json_p99_ms", "at_most")),
    },
    Case("hang", poc=True, phases=("before", "hang")): {("any_p99_ms", "at_most")},
    Case("steady", poc=True): {("p99_ms", "at_most"), ("first_token_p95_ms", "at_most")},
    Case("noisy-neighbour", poc=True): {("p95_ms", "at_most")},
    Case("double-refunds", poc=True, phases=("well", "lying")): {
        ("charges_per_order", "at_most"),
        ("charges_beyond", "at_most"),
    },
    Case("double-refunds", settings=NO_TIME_TO_PAY, phases=("well",)): {("orders_done_share", "at_least")},
    Case("retrieval-down", off=("retrieval",)): {
        *(("cited_share", "at_least"), ("retrieval_degraded_share", "at_least")),
    },
    Case("embedding-429", quotas=(("embeddings", 1),)): {("retrieval_degraded_share", "at_most")},
    Case("jobs-worker-kill", settings=LEFT_ALONE, phases=("well", "killing")): {("redelivered_within_s", "at_most")},
    Case("jobs-worker-kill", off=("cache",), meddler=a_store_forgets_finished_steps): {
        ("job_steps_paid_twice", "at_most")
    },
    Case("webhook-receiver-down", settings=TOLD_ONCE, phases=("well", "refused")): {
        *(("webhooks_delivered_share", "at_least"), ("jobs_done_share", "at_least")),
    },
    Case("webhook-receiver-down", meddler=a_sender_makes_messages_anew, phases=("well",)): {
        ("webhook_ids_per_job", "at_most")
    },
    Case("agent-kill", settings=(*NO_APPROVALS, *ONE_AT_A_TIME), phases=("well",)): {
        *(("charges_beyond_approvals", "at_most"), ("failed_share", "at_most"), ("decided_share", "at_least")),
    },
    Case("agent-kill", settings=(*NO_TIME_TO_PAY, *NO_PATIENCE), phases=("well",)): {
        *(("charges_beyond_approvals", "at_most"), ("runs_done_share", "at_least")),
    },
}
"""What each run must refute; it may refute more."""


def kinds() -> set[tuple[str, str]]:
    """Every measure with the bound that some scenario has on it."""
    return {
        (expected.measure, bound)
        for name in scenario.names()
        for expected in scenario.named(name).expect
        for bound in ("at_least", "at_most")
        if getattr(expected, bound) is not None
    }


def test_each_kind_of_expectation_is_refuted_by_some_run() -> None:
    assert kinds() <= set().union(*REFUTED.values())


@pytest.mark.alone
@pytest.mark.timeout(WITHIN_S)
@pytest.mark.parametrize("case", list(REFUTED), ids=lambda case: case.label)
def test_what_is_wrong_is_told(case: Case, finished: Callable[[Case], Finished]) -> None:
    verdict = finished(case).verdict
    broken = {
        (one.expected.measure, bound)
        for one in verdict.judged
        if one.passed is False
        for bound in ("at_least", "at_most")
        if getattr(one.expected, bound) is not None
    }
    assert broken >= REFUTED[case]
    assert verdict.word == "fail", verdict.reason
