"""The audit of the audit: each item is refuted by a service that breaks it, and proved by one that keeps all."""

from __future__ import annotations

import pytest

from loadtests.audit.claims import Verdict
from loadtests.audit.items import ITEMS
from loadtests.books import wire
from tests.loadtests.audit.conftest import HASTY, School, audited, changed
from tests.loadtests.audit.pupil import FLAWS

BOUNDS: dict[str, dict[str, float]] = {"no_timeout": {"answer_within_s": 1.5}, "logs_later": {"linger_s": 10}}
"""Where others make it visible."""

WRONG = [
    (1, ("no_timeout",), "no answer (none within 1.5 s)"),
    (1, ("abandons",), "1 call, 1 still running"),
    (1, ("no_retry",), "nobody is asked a second time"),
    (1, ("endless_retries", "no_breaker"), "at most 16 calls were expected"),
    (1, ("retries_400",), "the caller's fault was tried again"),
    (1, ("no_breaker",), "with an open circuit at most a probe goes through"),
    (2, ("no_cache",), "made 4 calls"),
    (2, ("untracked",), "rose by 0 hits of 0 answers"),
    (2, ("all_are_hits",), "2 new questions; 0 came from a cache"),
    (3, ("no_limit",), "was never told 429"),
    (3, ("check_then_take",), "was never told 429"),
    (3, ("limit_per_address",), "Another user at the same address was told 429"),
    (4, ("key_optional",), "Without a key: 200, 1 charge"),
    (4, ("check_then_act",), "charges in the ledger"),
    (4, ("pays_per_process",), "2 charges in the ledger"),
    (4, ("body_ignored",), "Another sum with the same key: 200"),
    (5, ("memory_session",), "is not known"),
    (6, ("single_provider",), "none answered by another provider"),
    (6, ("single_provider", "canned"), "answered 200"),
    (6, ("canned_beside",), "both the same text"),
    (7, ("blocking",), "more than workers or threads would take"),
    (8, ("health_calls_llm",), "they made 11 calls to a provider"),
    (8, ("health_called_llm",), "they made 1 call to a provider"),
    (8, ("ready_is_blind",), "/readyz 200; when it went on"),
    (8, ("health_needs_store",), "While the store hung /livez was 503"),
    (9, ("no_id",), "is not found by its id"),
    (9, ("no_user",), "is not found by its user"),
    (9, ("unnamed",), "has no X-Trace"),
    (10, ("caches_personal",), "asked again 0 calls"),
    (10, ("caches_personal", "calls_twice"), "made 2 calls, and asked again 0 calls"),
    (10, ("logs_text",), "have that request, and canary."),
    (10, ("logs_later",), "have that request, and canary."),
    (10, ("stores_text",), "the canary is in recent"),
]


@pytest.mark.alone
def test_a_service_of_another_shape_proves_all_ten_and_is_left_as_it_was(pupil: School) -> None:
    report = audited(pupil.described)
    assert [(one.number, one.verdict) for one in report.findings] == [(n, Verdict.PROVED) for n in range(1, 11)], [
        claim.words for one in report.findings for claim in one.claims if claim.verdict is not Verdict.PROVED
    ]
    assert report.exit_code == 0
    assert wire.get("the simulator", pupil.simulator, "/sim/state")["active"] == []


@pytest.mark.parametrize(
    ("number", "flaws", "words"), WRONG, ids=[f"{number}-{'-'.join(flaws)}" for number, flaws, _ in WRONG]
)
def test_each_broken_promise_is_refuted(pupil: School, number: int, flaws: tuple[str, ...], words: str) -> None:
    pupil.told(*flaws)
    bounds = {**HASTY, **{name: value for flaw in flaws for name, value in BOUNDS.get(flaw, {}).items()}}
    report = audited(changed(pupil.described, "bounds", bounds), number)
    (finding,) = report.findings
    refuted = [claim.words for claim in finding.claims if claim.verdict is Verdict.REFUTED]
    assert finding.verdict is Verdict.REFUTED, finding.claims
    assert any(words in said for said in refuted), refuted
    assert report.exit_code == 1


def test_every_item_and_every_flaw_is_among_them() -> None:
    assert {number for number, _, _ in WRONG} == {item.number for item in ITEMS}
    assert {flaw for _, flaws, _ in WRONG for flaw in flaws} == FLAWS - {"echoes", "finds_all"}
