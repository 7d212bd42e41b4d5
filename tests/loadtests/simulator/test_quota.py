"""Quotas are real buckets with true headers in the form of each provider."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import anthropic
import pytest

from .lab import CLAUDE, QUESTION, Lab, user

CHEAP: dict[str, Any] = {"model": "fake-small", "max_tokens": 1, "messages": [user("hi")]}


async def quota(lab: Lab, target: str, **limits: int) -> None:
    await lab.control("PUT", "/sim/quota", {"target": target, **limits})


async def test_requests_beyond_the_quota_are_429_with_the_time_to_wait(lab: Lab) -> None:
    await quota(lab, "anthropic", requests_per_min=3)
    answers = [await lab.messages(CHEAP) for _ in range(5)]
    assert [status for status, _, _ in answers] == [200, 200, 200, 429, 429]
    remaining = [headers["anthropic-ratelimit-requests-remaining"] for _, headers, _ in answers]
    assert remaining == ["2", "1", "0", "0", "0"]
    _, headers, document = answers[3]
    assert headers["anthropic-ratelimit-requests-limit"] == "3"
    assert 1 <= int(headers["retry-after"]) <= 20
    assert 0 < int(headers["retry-after-ms"]) <= 20_000
    assert document["error"]["type"] == "rate_limit_error"
    reset = datetime.fromisoformat(headers["anthropic-ratelimit-requests-reset"])
    assert 40 < (reset - datetime.now(UTC)).total_seconds() < 65
    row = (await lab.rows(5))[3]
    assert (row["status"], row["fault"], row["billed_nano_usd"]) == (429, None, 0)


async def test_a_burst_at_once_gets_exactly_the_quota(lab: Lab) -> None:
    await quota(lab, "openai", requests_per_min=20)
    body = {"model": "fake-small", "max_tokens": 1, "messages": [user("hi")]}
    statuses = [status for status, _, _ in await asyncio.gather(*(lab.chat(body) for _ in range(60)))]
    assert 20 <= statuses.count(200) <= 22
    assert statuses.count(200) + statuses.count(429) == 60


async def test_the_bucket_refills(lab: Lab) -> None:
    await quota(lab, "anthropic", requests_per_min=600)
    statuses = [(await lab.messages(CHEAP))[0] for _ in range(3)]
    assert statuses == [200] * 3
    await quota(lab, "anthropic", requests_per_min=300)
    while (await lab.messages(CHEAP))[0] == 200:
        pass
    async with asyncio.timeout(20):
        while (await lab.messages(CHEAP))[0] != 200:
            pass


async def test_tokens_count_input_and_output(lab: Lab) -> None:
    await quota(lab, "openai", tokens_per_min=100)
    status, headers, document = await lab.chat()
    used = document["usage"]["total_tokens"]
    assert status == 200
    assert int(headers["x-ratelimit-remaining-tokens"]) in (100 - used, 101 - used)
    assert headers["x-ratelimit-limit-tokens"] == "100"
    assert re.fullmatch(r"\d+s|\d+m\d+s|\d+ms", headers["x-ratelimit-reset-tokens"])
    statuses = [(await lab.chat())[0] for _ in range(3)]
    assert statuses[-1] == 429
    status, _, document = await lab.chat()
    assert (status, document["error"]["code"]) == (429, "rate_limit_exceeded")
    assert "tokens per minute" in document["error"]["message"]


async def test_a_prompt_larger_than_the_bucket_needs_a_full_one(lab: Lab) -> None:
    await quota(lab, "anthropic", tokens_per_min=10)
    body = {**CHEAP, "messages": [user("word " * 50)]}
    assert [(await lab.messages(body))[0] for _ in range(2)] == [200, 429]


async def test_without_a_quota_the_headers_tell_a_large_one(lab: Lab) -> None:
    _, headers, _ = await lab.messages(CHEAP)
    for name in ("requests", "tokens", "input-tokens"):
        assert int(headers[f"anthropic-ratelimit-{name}-remaining"]) >= 100_000
        datetime.fromisoformat(headers[f"anthropic-ratelimit-{name}-reset"])
    _, headers, _ = await lab.chat()
    assert int(headers["x-ratelimit-remaining-requests"]) >= 100_000


async def test_a_faulted_call_spends_no_quota(lab: Lab) -> None:
    await quota(lab, "anthropic", requests_per_min=1)
    await lab.fault("anthropic", "status", times=3, params={"status": 503})
    assert [(await lab.messages(CHEAP))[0] for _ in range(5)] == [503, 503, 503, 200, 429]


async def test_a_forced_429_tells_of_empty_buckets(lab: Lab) -> None:
    await lab.fault("anthropic", "status", params={"status": 429, "retry_after": 2})
    await lab.fault("openai", "status", params={"kind": "rate_limit"})
    _, headers, _ = await lab.messages(CHEAP)
    assert (headers["anthropic-ratelimit-requests-remaining"], headers["retry-after"]) == ("0", "2")
    _, headers, _ = await lab.chat()
    assert headers["x-ratelimit-remaining-tokens"] == "0"
    assert "retry-after" not in headers


async def test_the_sdk_sees_a_rate_limit(lab: Lab) -> None:
    await quota(lab, "anthropic", requests_per_min=1)
    ask: dict[str, Any] = {"model": CLAUDE, "max_tokens": 5, "messages": [user(QUESTION)]}
    sdk = lab.anthropic()
    await sdk.messages.create(**ask)
    with pytest.raises(anthropic.RateLimitError) as caught:
        await sdk.messages.create(**ask)
    assert int(caught.value.response.headers["retry-after"]) >= 1
