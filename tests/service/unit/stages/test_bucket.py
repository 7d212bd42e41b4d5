"""Token buckets in memory: the arithmetic that ``rate_limit.lua`` shares."""

import pytest

from service.settings import BucketSettings, RateLimitSettings
from service.stages import bucket
from service.stages.bucket import Buckets, Levels, Verdict

USER = BucketSettings(requests_per_min=60, burst=20, tokens_per_min=1000)
TENANT = BucketSettings(requests_per_min=600, burst=30, tokens_per_min=5000)


@pytest.fixture
def buckets() -> Buckets:
    return Buckets(RateLimitSettings(user=USER, tenant=TENANT))


def test_a_burst_is_admitted_and_the_next_waits_for_one_refill(buckets: Buckets) -> None:
    assert all(buckets.take("acme", "alice", 0, 0.0).allowed for _ in range(20))
    refused = buckets.take("acme", "alice", 0, 0.0)
    assert (refused.allowed, refused.which, refused.wait_s) == (False, "user_requests", 1.0)
    assert not buckets.take("acme", "alice", 0, 0.99).allowed
    assert buckets.take("acme", "alice", 0, 1.01).allowed


def test_a_refused_request_takes_nothing_from_any_bucket(buckets: Buckets) -> None:
    for _ in range(20):
        buckets.take("acme", "alice", 0, 0.0)
    for _ in range(50):
        assert not buckets.take("acme", "alice", 0, 0.0).allowed
    assert sum(buckets.take("acme", "bob", 0, 0.0).allowed for _ in range(20)) == 10, "the tenant's burst is 30"


def test_the_tenants_bucket_is_named_when_it_is_the_short_one(buckets: Buckets) -> None:
    for user in ("alice", "bob"):
        for _ in range(15):
            buckets.take("acme", user, 0, 0.0)
    refused = buckets.take("acme", "carol", 0, 0.0)
    assert (refused.which, refused.wait_s) == ("tenant_requests", 0.1)


def test_tokens_run_out_before_requests_do(buckets: Buckets) -> None:
    assert buckets.take("acme", "alice", 600, 0.0).tokens_left == 400
    refused = buckets.take("acme", "alice", 600, 0.0)
    assert refused.which == "user_tokens"
    assert refused.wait_s == pytest.approx(12.0)


def test_a_request_larger_than_the_bucket_needs_a_full_one_and_no_more(buckets: Buckets) -> None:
    assert buckets.take("acme", "alice", 10**9, 0.0).allowed
    assert not buckets.take("acme", "alice", 1, 0.0).allowed
    assert buckets.take("acme", "alice", 10**9, 60.0).allowed


def test_unused_tokens_come_back_but_never_more_than_the_bucket_holds(buckets: Buckets) -> None:
    buckets.take("acme", "alice", 500, 0.0)
    buckets.settle("acme", "alice", 500, 50, 0.0)
    assert buckets.take("acme", "alice", 0, 0.0).tokens_left == 950
    buckets.settle("acme", "alice", 700, 0, 0.0)
    assert buckets.take("acme", "alice", 0, 0.0).tokens_left == 1000


def test_use_beyond_the_estimate_is_a_debt_of_at_most_one_bucket(buckets: Buckets) -> None:
    buckets.settle("acme", "alice", 0, 1_000_000, 0.0)
    refused = buckets.take("acme", "alice", 1, 0.0)
    assert refused.tokens_left == -1000
    assert refused.wait_s == pytest.approx(60.06)


def test_an_estimate_beyond_the_bucket_is_no_discount(buckets: Buckets) -> None:
    buckets.take("acme", "alice", 60_000, 0.0)
    buckets.settle("acme", "alice", 60_000, 900, 0.0)
    assert buckets.take("acme", "alice", 0, 0.0).tokens_left == 100


def test_users_of_the_same_name_in_other_tenants_are_others(buckets: Buckets) -> None:
    for _ in range(20):
        buckets.take("acme", "alice", 0, 0.0)
    assert buckets.take("globex", "alice", 0, 0.0).allowed


def test_memory_is_bounded_and_the_longest_unseen_caller_is_forgotten(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "MOST_BUCKETS", 10)
    for number in range(100):
        buckets.take("acme", f"user{number}", 0, float(number))
    assert len(buckets._buckets) == 10
    assert ("acme",) in buckets._buckets
    assert ("acme", "user99") in buckets._buckets


def test_a_request_that_something_else_refuses_takes_nothing(buckets: Buckets) -> None:
    refused = buckets.refused("acme", "alice", "budget", 0.0)
    assert refused == Verdict(False, "budget", 0.0, 20, 1000, 30, 5000)
    assert buckets.take("acme", "alice", 0, 0.0).requests_left == 19


def test_the_levels_are_those_of_the_busiest_however_many_come_by() -> None:
    levels = Levels(most=3)
    for number in range(50):
        for tenant in ("busy", "busier"):
            levels.see(tenant, Verdict(True, "", 0.0, number, 0, 0, 0))
        levels.see(f"passing{number}", Verdict(True, "", 0.0, 7, 0, 0, 0))
    rows = levels.rows()
    assert {tenant for tenant, _, _ in rows} == {"busy", "busier", "passing49"}
    assert ("busy", "user_requests", 49) in rows
    assert len(rows) == 3 * 4
