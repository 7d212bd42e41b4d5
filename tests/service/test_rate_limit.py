"""The rate limit over two workers: one bucket per user, whichever worker is asked.

DESIGN, section 3. Next: ``test_budget.py``.
"""

import math
import re
import time

from tests.answer import Answer
from tests.caller import Caller
from tests.stack import Stack
from tests.waiting import at_once

from .refusals import openai_error, problem

BURST, PER_S = 20, 1
"""Requests of a user as the service ships: at once, and per second after that."""


async def burst(caller: Caller, count: int) -> tuple[list[Answer], list[Answer], int]:
    """``count`` questions at once: those answered, those refused, and the most that may have been answered."""
    begun = time.monotonic()
    answers = await at_once(count, lambda _: caller.chat())
    most = BURST + math.ceil((time.monotonic() - begun) * PER_S)
    answered = [a for a in answers if a.status == 200]
    return answered, [a for a in answers if a.status != 200], most


async def test_a_burst_of_fifty_is_exactly_the_burst_over_both_workers(stack: Stack) -> None:
    answered, refused, most = await burst(stack.caller(), 50)
    assert BURST <= len(answered) <= most
    # Both judged; all that is in the bucket may go to the one whose questions came first.
    assert len({a.worker for a in (*answered, *refused)}) == 2
    assert len(await stack.sim.calls()) == len(answered)
    for answer in refused:
        document = problem(answer, 429)
        assert (document["code"], document["bucket"]) == ("rate_limited", "user_requests")
        assert 1 <= int(answer.headers["retry-after"]) <= 2
        assert answer.headers["ratelimit-policy"] == '"user";q=20;w=20'
        assert re.fullmatch(r'"user";r=0;t=\d+', answer.headers["ratelimit"])


async def test_each_answer_says_what_is_left(stack: Stack) -> None:
    alice = stack.caller()
    left = []
    for _ in range(3):
        answer = await alice.chat()
        assert answer.headers["ratelimit-policy"] == '"user";q=20;w=20'
        found = re.fullmatch(r'"user";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
        assert found is not None
        left.append(int(found[1]))
        assert 0 <= int(found[2]) <= 4
    assert left[0] == BURST - 1
    assert left[0] >= left[1] >= left[2]


async def test_another_user_of_the_tenant_is_not_affected(stack: Stack) -> None:
    alice = stack.caller()
    await burst(alice, 40)
    bob = stack.caller(alice.key.split("-")[1], "bob")
    answered, _, _ = await burst(bob, BURST)
    assert len(answered) == BURST


async def test_the_time_in_retry_after_is_enough(stack: Stack) -> None:
    alice = stack.caller()
    _, refused, _ = await burst(alice, 40)
    end_s = time.monotonic() + max(int(a.headers["retry-after"]) for a in refused)
    hits = 0
    while time.monotonic() < end_s:  # meanwhile others are served
        hits += (await stack.caller().chat()).status == 200
    assert hits > 0
    assert (await alice.chat()).status == 200


async def test_cache_hits_spend_nothing(stack: Stack) -> None:
    alice = stack.caller()
    asked = "What does a hit cost?"
    assert (await alice.chat(asked)).json()["source"] == "live"
    hits = await at_once(60, lambda _: alice.chat(asked))
    assert {(a.status, a.json()["source"]) for a in hits} == {(200, "cache")}
    answered, _, _ = await burst(alice, BURST - 1)
    assert len(answered) == BURST - 1
    assert (await alice.chat(asked)).json()["source"] == "cache"  # the bucket is empty, the answer is there


async def test_every_surface_draws_from_the_same_bucket(stack: Stack) -> None:
    alice = stack.caller()
    await burst(alice, 40)
    problem(await alice.request("POST", "/chat/stream", {"text": "Is there more?"}), 429)
    body = {"model": "default", "messages": [{"role": "user", "content": "Is there more?"}]}
    for stream in (False, True):
        refused = await alice.request("POST", "/v1/chat/completions", {**body, "stream": stream})
        assert openai_error(refused, 429)["code"] == "rate_limited"
        assert int(refused.headers["retry-after"]) >= 1
    assert (await alice.request("GET", "/threads")).status == 200  # only questions are counted


async def test_tokens_are_limited_too_and_what_was_not_used_comes_back(stack: Stack) -> None:
    alice = stack.caller()
    text = "word " * 19_000  # about 24,000 tokens each, of 100,000 a minute
    answers = [await alice.chat(f"{n} {text}") for n in range(6)]
    assert [a.status for a in answers[:3]] == [200] * 3
    refused = next(a for a in answers if a.status == 429)
    assert problem(refused, 429)["bucket"] == "user_tokens"
    assert (await alice.chat("A short one?")).status == 200
