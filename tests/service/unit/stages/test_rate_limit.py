"""The rate limit: its script on a real Valkey, the same arithmetic in memory, and what the stage makes of a verdict."""

import asyncio
import itertools
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from redis import Redis

from service.errors import RateLimited, Unavailable
from service.llm.provider import Usage
from service.settings import BucketSettings, BudgetSettings, RateLimitSettings
from service.stages.ask import Ask, Attempt
from service.stages.bucket import Buckets, Verdict
from service.stages.budget import Budgets
from service.stages.rate_limit import RateLimit
from service.stages.reply import Reply
from service.store.guard import Store
from service.store.settle import Settle
from tests.valkey import Valkey

from ..fakes import AwayStore, FakeClock, Scripted, ask, decisions, live, streaming

SLOW = RateLimitSettings(
    user=BucketSettings(requests_per_min=1, burst=20, tokens_per_min=1000),
    tenant=BucketSettings(requests_per_min=10, burst=200, tokens_per_min=10_000),
)
"""Refills so slowly that a test run does not notice: at most 1 request and 17 tokens of the user's per second."""


def stage_of(store: Store, clock: FakeClock) -> RateLimit:
    """Without budgets."""
    budgets = Budgets(BudgetSettings(), pseudonym_key="", clock=clock)
    return RateLimit(SLOW, budgets=budgets, store=store, settle=Settle(), clock=clock)


@pytest.fixture
def stage(store: Store, clock: FakeClock) -> RateLimit:
    return stage_of(store, clock)


async def test_of_200_at_once_exactly_the_burst_of_20_is_admitted(stage: RateLimit, clock: FakeClock) -> None:
    inner = Scripted(lambda _: answered())
    answers = await asyncio.gather(
        *(stage(ask(clock, max_tokens=1), inner) for _ in range(200)), return_exceptions=True
    )
    assert sum(isinstance(answer, Reply) for answer in answers) == 20
    assert sum(isinstance(answer, RateLimited) for answer in answers) == 180
    assert len(inner.rungs) == 20
    await stage._settle.drain()


async def answered() -> Reply:
    return live()


async def test_a_tenant_is_admitted_its_own_burst_however_many_users_it_has(stage: RateLimit, clock: FakeClock) -> None:
    answers = await asyncio.gather(
        *(stage(ask(clock, user=f"u{n}", max_tokens=1), Scripted(live())) for n in range(250)), return_exceptions=True
    )
    assert sum(isinstance(answer, Reply) for answer in answers) == 200
    refused = next(answer for answer in answers if isinstance(answer, RateLimited))
    assert refused.extra == {"bucket": "tenant_requests"}
    assert 0 < (refused.retry_after_s or 0) <= 6


async def test_a_refusal_says_how_long_and_sets_the_headers_of_the_draft(stage: RateLimit, clock: FakeClock) -> None:
    for left in range(19, -1, -1):
        asked = ask(clock, max_tokens=1)
        await stage(asked, Scripted(live()))
        assert asked.limits["RateLimit"].startswith(f'"user";r={left};t=')
    asked = ask(clock, max_tokens=1)
    with pytest.raises(RateLimited, match="user bucket for requests is empty; wait") as refused:
        await stage(asked, Scripted(live()))
    assert 55 < (refused.value.retry_after_s or 0) <= 60
    assert asked.limits["RateLimit-Policy"] == '"user";q=20;w=1200'
    assert asked.limits["RateLimit"] == '"user";r=0;t=1200'
    assert decisions(asked, "rate_limit") == ["refused"]


async def left_of(stage: RateLimit, clock: FakeClock) -> int:
    asked = ask(clock, max_tokens=0, messages=())
    await stage(asked, Scripted(live()))
    tokens: int = asked.path[0][3]["tokens_left"]
    return tokens


async def test_what_was_not_used_is_given_back_when_the_answer_ends(stage: RateLimit, clock: FakeClock) -> None:
    asked = ask(clock, max_tokens=1600)

    async def call(asked: Ask) -> Reply:
        asked.attempts.append(Attempt("anthropic", "m", 1, 0, usage=Usage(60, 40, 0)))
        return streaming("4", "2")

    reply = await stage(asked, Scripted(call))
    assert await left_of(stage, clock) == pytest.approx(1000 - 805, abs=100), "reserved while the stream goes on"
    await reply.aclose()
    await stage._settle.drain()
    assert await left_of(stage, clock) == pytest.approx(1000 - 100, abs=90)


async def test_a_failed_request_pays_only_for_what_its_attempts_used(stage: RateLimit, clock: FakeClock) -> None:
    asked = ask(clock, max_tokens=1600)
    with pytest.raises(Unavailable):
        await stage(asked, Scripted(Unavailable("down", provider="anthropic")))
    await stage._settle.drain()
    assert await left_of(stage, clock) == 1000


async def test_with_the_store_away_a_bucket_per_worker_takes_over(clock: FakeClock) -> None:
    stage = stage_of(AwayStore(), clock)
    replies = []
    for _ in range(20):
        asked = ask(clock, max_tokens=100)
        replies.append(await stage(asked, Scripted(live())))
        assert asked.path[0][3]["buckets"] == "worker"
        await replies[-1].aclose()
    with pytest.raises(RateLimited) as refused:
        await stage(ask(clock), Scripted(live()))
    assert refused.value.retry_after_s == pytest.approx(60)
    clock.advance(60)
    await stage(ask(clock, max_tokens=1), Scripted(live()))


async def test_the_levels_of_the_tenants_buckets_are_known_to_who_watches(stage: RateLimit, clock: FakeClock) -> None:
    await stage(ask(clock, max_tokens=100, messages=()), Scripted(live()))
    assert stage.levels.rows() == [
        ("acme", "user_requests", 19),
        ("acme", "user_tokens", 950),
        ("acme", "tenant_requests", 199),
        ("acme", "tenant_tokens", 9950),
    ]
    await stage._settle.drain()


class Server:
    """``rate_limit.lua`` on the real server."""

    def __init__(self, port: int) -> None:
        self.redis = Redis(port=port, decode_responses=True)
        text = resources.files("service.stages").joinpath("rate_limit.lua").read_text()
        self.run = self.redis.register_script(text)
        self.fresh = itertools.count()

    def now_s(self) -> float:
        seconds, micros = self.redis.time()
        return float(seconds) + float(micros) / 1e6

    def step(self, name: str, op: str, tokens: int, limits: RateLimitSettings, used: int = 0) -> Verdict:
        arguments: list[Any] = [op, tokens]
        for bucket in (limits.tenant, limits.user):
            arguments += [bucket.requests_per_min, bucket.burst, bucket.tokens_per_min]
        arguments += [used, 0, 0]
        allowed, which, wait_ms, *left, _, _, _ = self.run([f"{{{name}}}", f"{{{name}}}:u"], arguments)
        return Verdict(bool(allowed), which, wait_ms / 1000, *left)


@pytest.fixture(scope="session")
def server(valkey: Valkey) -> Iterator[Server]:
    server = Server(valkey.port)
    yield server
    server.redis.close()


BUCKET = st.builds(
    BucketSettings,
    requests_per_min=st.integers(1, 30),
    burst=st.integers(1, 10),
    tokens_per_min=st.integers(1, 2000),
)
STEP = st.one_of(
    st.tuples(st.just("take"), st.integers(0, 3000), st.just(0)),
    st.tuples(st.just("settle"), st.integers(0, 3000), st.integers(0, 3000)),
)


@hypothesis(max_examples=100, deadline=None)
@given(st.builds(RateLimitSettings, user=BUCKET, tenant=BUCKET), st.lists(STEP, min_size=1, max_size=20))
def test_the_script_and_the_buckets_in_memory_agree(
    server: Server, limits: RateLimitSettings, steps: list[tuple[str, int, int]]
) -> None:
    """Between a step here and there pass microseconds to milliseconds; a verdict may differ within that refill only."""
    name, model = f"agree{next(server.fresh)}", Buckets(limits)
    began_s = server.now_s()
    for op, tokens, used in steps:
        if op == "settle":
            server.step(name, op, tokens, limits, used)
            model.settle("t", "u", tokens, used, server.now_s())
            continue
        theirs, after_s = server.step(name, op, tokens, limits), server.now_s()
        ours = model.take("t", "u", tokens, after_s)
        slack_s = after_s - began_s + 0.002
        if theirs.allowed != ours.allowed:
            assert max(theirs.wait_s, ours.wait_s) <= slack_s, "only time can tell them apart"
            return
        assert theirs.wait_s == pytest.approx(ours.wait_s, abs=slack_s)
        assert theirs.requests_left == pytest.approx(ours.requests_left, abs=1)
        assert theirs.tokens_left == pytest.approx(ours.tokens_left, abs=1 + slack_s * limits.user.tokens_per_min / 60)
        assert theirs.tenant_requests_left == pytest.approx(ours.tenant_requests_left, abs=1)
        assert theirs.tenant_tokens_left == pytest.approx(
            ours.tenant_tokens_left, abs=1 + slack_s * limits.tenant.tokens_per_min / 60
        )
        if theirs.wait_s > slack_s and theirs.which != ours.which:
            assert theirs.wait_s == pytest.approx(ours.wait_s, abs=slack_s), "two buckets equally short"


def test_the_buckets_expire_once_they_would_be_full_again(server: Server) -> None:
    server.step("expiry", "take", 10, RateLimitSettings())
    assert 0 < server.redis.pttl("{expiry}") <= 120_000
    assert 0 < server.redis.pttl("{expiry}:u") <= 120_000
