"""A tenant's budget: what is warned of, what stops, what is told, and that nothing is counted twice or lost."""

from typing import Any

import pytest
from redis import Redis

from service.errors import BudgetExhausted, BudgetExhaustedToday, RateLimited, Unavailable
from service.observability.pii import pseudonym
from service.settings import BudgetSettings, RateLimitSettings
from service.stages import budget
from service.stages.ask import Ask, Attempt
from service.stages.budget import Budgets, spent_by
from service.stages.rate_limit import RateLimit
from service.stages.reply import Reply
from service.store.guard import Store
from service.store.settle import Settle
from tests.valkey import Valkey

from ..fakes import AwayStore, FakeClock, Scripted, ask, live, streaming

USD = 10**9


def budgets_of(clock: FakeClock, **given: Any) -> Budgets:
    return Budgets(BudgetSettings(**{"usd_per_day": 1.0, **given}), pseudonym_key="key", clock=clock)


def stage_of(store: Store, clock: FakeClock, **given: Any) -> RateLimit:
    return RateLimit(RateLimitSettings(), budgets=budgets_of(clock, **given), store=store, settle=Settle(), clock=clock)


class Costing:
    """The rest of the chain: each call costs so much, attempt by attempt; None is an attempt without a price."""

    def __init__(self, *costs: int | None, error: Exception | None = None, stream: bool = False) -> None:
        self._costs = costs
        self._error = error
        self._stream = stream

    async def __call__(self, asked: Ask) -> Reply:
        for number, cost in enumerate(self._costs, 1):
            asked.attempts.append(Attempt("anthropic", "m", number, 0, cost_nano_usd=cost))
        if self._error is not None:
            raise self._error
        return streaming("4", "2") if self._stream else live()


async def spend(stage: RateLimit, clock: FakeClock, *costs: int | None, **given: Any) -> Ask:
    """One request through the stage, to its end and its settlement."""
    asked = ask(clock, **given)
    reply = await stage(asked, Costing(*costs))
    reply.end("whole")
    await stage._settle.drain()
    return asked


def in_redis(valkey: Valkey, tenant: str = "acme") -> dict[str, str]:
    with Redis(port=valkey.port, decode_responses=True) as redis:
        found: dict[str, str] = redis.hgetall(f"budget:{{{tenant}}}")
        return found


async def test_what_was_spent_is_the_sum_of_all_attempts_to_the_nano_dollar(
    store: Store, clock: FakeClock, valkey: Valkey
) -> None:
    stage = stage_of(store, clock)
    await spend(stage, clock, 1, 20, 300)
    with pytest.raises(Unavailable):
        await stage(ask(clock), Costing(4000, error=Unavailable("down", provider="anthropic")))
    left = await stage(ask(clock), Costing(50_000, stream=True))
    await left.aclose()
    await stage._settle.drain()
    assert in_redis(valkey)["spent"] == "54321"
    assert await store.execute("TTL", "budget:{acme}") == 2 * 86_400
    assert stage.budgets.snapshot() == [("acme", 54_321, USD, "ok")]


async def test_the_header_and_the_decision_say_what_is_spent_and_where_that_stands(
    store: Store, clock: FakeClock
) -> None:
    stage = stage_of(store, clock)
    first = await spend(stage, clock, 790_000_000)
    assert first.limits["Budget"] == '"tenant";limit=1000000000;spent=790000000;state=ok', "with its own cost"
    second = await spend(stage, clock, 10_000_000)
    assert second.limits["Budget"] == '"tenant";limit=1000000000;spent=800000000;state=warning'
    assert (
        second.path[0][3].items()
        >= {
            "budget_spent_usd": 0.79,
            "budget_usd": 1.0,
            "budget_state": "ok",
        }.items()
    ), "as it was when it was decided"
    third = await spend(stage, clock, 500_000_000)
    assert third.limits["Budget"] == '"tenant";limit=1000000000;spent=1300000000;state=exhausted'
    assert (await spend(stage, clock)).path[0][1] == "allowed", "it only warns"


async def test_attempts_without_a_price_count_nothing_and_are_said(store: Store, clock: FakeClock) -> None:
    stage = stage_of(store, clock)
    assert (await spend(stage, clock, None, 5)).limits["Budget"].endswith(";spent=5;state=ok;unpriced=1")
    asked = await spend(stage, clock, None)
    assert asked.limits["Budget"].endswith(";spent=5;state=ok;unpriced=2")
    assert asked.path[0][3]["budget_unpriced"] == 1
    assert stage.budgets.snapshot() == [("acme", 5, USD, "ok")]


@pytest.mark.parametrize(
    ("stop", "expected", "status"), [("402", BudgetExhausted, 402), ("429", BudgetExhaustedToday, 429)]
)
async def test_an_exhausted_budget_stops_with_the_status_of_the_setting(
    store: Store, clock: FakeClock, stop: str, expected: type[BudgetExhausted], status: int
) -> None:
    stage = stage_of(store, clock, stop=stop)
    await spend(stage, clock, USD)
    asked, inner = ask(clock), Scripted(live())
    with pytest.raises(expected, match=r"1 USD, is spent; wait for the next day \(UTC\)") as refused:
        await stage(asked, inner)
    assert (refused.value.status, refused.value.code) == (status, "budget_exhausted")
    assert inner.rungs == []
    assert refused.value.headers["Budget"] == '"tenant";limit=1000000000;spent=1000000000;state=exhausted'
    assert asked.path[0][3]["short"] == "budget"
    assert "RateLimit" in refused.value.headers
    if status == 429:
        assert 0 < (refused.value.retry_after_s or 0) <= 86_400
    else:
        assert refused.value.retry_after_s is None
    assert isinstance(await stage(ask(clock, tenant="globex"), Scripted(live())), Reply), "another tenant's is its own"
    await stage._settle.drain()


async def test_a_stopped_request_takes_nothing_from_the_buckets(store: Store, clock: FakeClock) -> None:
    stage = stage_of(store, clock, stop="402")
    before = (await spend(stage, clock, USD)).path[0][3]["requests_left"]
    for _ in range(30):
        with pytest.raises(BudgetExhausted):
            await stage(ask(clock), Scripted(live()))
    asked = ask(clock)
    with pytest.raises(BudgetExhausted):
        await stage(asked, Scripted(live()))
    assert asked.path[0][3]["requests_left"] >= before


async def test_a_tenant_of_its_own_has_its_own_budget_and_may_have_none_of_the_others(
    store: Store, clock: FakeClock
) -> None:
    stage = stage_of(store, clock, usd_per_day=None, tenants={"acme": 2.0, "blocked": 0.0}, stop="402")
    assert (await spend(stage, clock, 5)).limits["Budget"].startswith('"tenant";limit=2000000000;')
    with pytest.raises(BudgetExhausted):
        await stage(ask(clock, tenant="blocked"), Scripted(live()))
    asked = await spend(stage, clock, 5, tenant="globex")
    assert "Budget" not in asked.limits
    assert not [name for name in asked.path[0][3] if name.startswith("budget")]
    assert await store.execute("EXISTS", "budget:{globex}") == 0


def test_a_tenant_whose_name_is_not_told_finds_its_budget_by_the_pseudonym(clock: FakeClock) -> None:
    budgets = budgets_of(clock, usd_per_day=None, tenants={"jane@example.com": 3.0})
    assert budgets.limit(f"u-{pseudonym('key', 'jane@example.com')}") == 3 * USD
    assert budgets.limit("jane@example.com") is None


async def test_a_new_day_begins_at_zero(store: Store, clock: FakeClock, valkey: Valkey) -> None:
    stage = stage_of(store, clock)
    await spend(stage, clock, USD)
    today = in_redis(valkey)["day"]
    await store.execute("HSET", "budget:{acme}", "day", int(today) - 1)
    asked = await spend(stage, clock, 7)
    assert asked.limits["Budget"].endswith("spent=7;state=ok")
    assert in_redis(valkey) == {"day": today, "spent": "7", "unpriced": "0"}


async def test_an_error_after_the_stage_says_it_too(store: Store, clock: FakeClock) -> None:
    stage = stage_of(store, clock)
    with pytest.raises(Unavailable) as failed:
        await stage(ask(clock), Costing(9, error=Unavailable("down", provider="anthropic")))
    assert failed.value.headers["Budget"].endswith("spent=9;state=ok")
    await stage._settle.drain()


async def test_with_the_store_away_a_worker_goes_on_from_what_it_saw_and_stops_by_its_own_count(
    store: Store, clock: FakeClock
) -> None:
    stage = stage_of(store, clock, stop="429")
    await spend(stage, clock, 600_000_000)
    stage._script._store = AwayStore()
    asked = await spend(stage, clock, 400_000_000)
    assert asked.limits["Budget"].endswith("spent=1000000000;state=exhausted")
    assert asked.path[0][3]["budget_spent_usd"] == 0.6
    with pytest.raises(BudgetExhaustedToday) as refused:
        await stage(ask(clock), Scripted(live()))
    assert refused.value.retry_after_s == 86_400 - int(clock.time()) % 86_400
    assert stage.budgets.snapshot() == [("acme", USD, USD, "exhausted")]


async def test_what_redis_was_not_told_it_is_told_when_it_is_back_and_once(
    store: Store, clock: FakeClock, valkey: Valkey
) -> None:
    stage = stage_of(store, clock)
    await spend(stage, clock, 1)
    stage._script._store = AwayStore()
    await spend(stage, clock, 20, None)
    reply = await stage(ask(clock), Costing(300))
    stage._script._store = store
    reply.end("whole")
    await stage._settle.drain()
    assert in_redis(valkey)["spent"] == "1"
    await spend(stage, clock, 4000)
    await spend(stage, clock, 50_000)
    assert (in_redis(valkey)["spent"], in_redis(valkey)["unpriced"]) == ("54321", "1")
    assert stage.budgets.snapshot()[0][1] == 54_321


async def test_redis_is_told_as_soon_as_it_is_back_even_if_nobody_asks_any_more(
    store: Store, clock: FakeClock, valkey: Valkey
) -> None:
    away = AwayStore()
    stage = stage_of(away, clock)
    await spend(stage, clock, 20, None)
    await spend(stage, clock, 5, tenant="globex")
    stage._script._store = store
    away.come_back()
    await stage._settle.drain()
    assert (in_redis(valkey)["spent"], in_redis(valkey)["unpriced"]) == ("20", "1")
    assert in_redis(valkey, "globex")["spent"] == "5"
    assert stage.budgets.owing() == []


async def test_a_settlement_that_fails_is_owed(store: Store, clock: FakeClock, valkey: Valkey) -> None:
    stage = stage_of(store, clock)
    reply = await stage(ask(clock), Costing(20))
    stage._script._store = AwayStore()
    reply.end("whole")
    await stage._settle.drain()
    stage._script._store = store
    await spend(stage, clock, 1)
    assert in_redis(valkey)["spent"] == "21"


def test_what_was_owed_yesterday_is_nothing_of_todays(clock: FakeClock) -> None:
    budgets = budgets_of(clock)
    budgets.owe("acme", 5, 1)
    clock.advance(86_400)
    assert budgets.snapshot() == []
    assert budgets.take_owed("acme") == (0, 0)


def test_memory_is_bounded_and_a_snapshot_shows_who_spent_most(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MOST_TENANTS", 30)
    budgets = budgets_of(clock)
    for number in range(100):
        budgets.seen(f"tenant{number}", number * USD, 0, 60)
    assert len(budgets._seen) == 30
    shown = budgets.snapshot()
    assert [tenant for tenant, *_ in shown] == [f"tenant{number}" for number in range(99, 79, -1)]


def test_a_header_stays_a_structured_field_however_much_was_spent(clock: FakeClock) -> None:
    budgets = budgets_of(clock, usd_per_day=900_000)
    standing = budgets.seen("acme", 10**17, 0, 60)
    assert standing is not None
    assert standing.header() == '"tenant";limit=900000000000000;spent=999999999999999;state=exhausted'


async def test_sums_far_beyond_any_budget_stay_exact(store: Store, clock: FakeClock, valkey: Valkey) -> None:
    stage = stage_of(store, clock, usd_per_day=900_000)
    for cost in (2**52, 1, 1):
        await spend(stage, clock, cost)
    assert in_redis(valkey)["spent"] == str(2**52 + 2)


def test_the_cost_of_a_request_is_that_of_its_attempts(clock: FakeClock) -> None:
    asked = ask(clock)
    assert spent_by(asked.attempts) == (0, 0)
    for number, cost in enumerate((5, None, 0, 7)):
        asked.attempts.append(Attempt("anthropic", "m", number, 0, cost_nano_usd=cost))
    assert spent_by(asked.attempts) == (12, 1)
    assert spent_by(asked.attempts[1:3]) == (0, 1), "whoever passes a second time bills what came then"


async def test_the_rate_limit_still_refuses_before_the_budget_is_spent(store: Store, clock: FakeClock) -> None:
    stage = stage_of(store, clock, stop="402")
    for _ in range(20):
        await stage(ask(clock, max_tokens=1), Scripted(live()))
    with pytest.raises(RateLimited):
        await stage(ask(clock, max_tokens=1), Scripted(live()))
    await stage._settle.drain()
