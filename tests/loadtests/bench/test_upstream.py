"""The fake provider as a real process: the SDKs understand it, and it counts and waits as told."""

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator

import anthropic
import openai
import pytest

from loadtests.bench import load
from loadtests.bench.load import Plan
from loadtests.bench.processes import Process
from loadtests.bench.rig import Upstream
from loadtests.bench.subjects import request
from loadtests.bench.upstream import ANSWER


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    command = [sys.executable, "-m", "loadtests.bench.upstream"]
    process = Process("upstream", command, {}, [], tmp_path_factory.mktemp("logs"))
    try:
        yield Upstream(process.wait_ready()["url"])
    finally:
        process.end()
    assert not process.is_running()


async def test_the_anthropic_sdk_reads_its_answers_and_streams(upstream: Upstream) -> None:
    upstream.set_delay(0)
    question: anthropic.types.MessageParam = {"role": "user", "content": "why jitter?"}
    async with anthropic.AsyncAnthropic(base_url=upstream.url, api_key="none", max_retries=0) as client:
        message = await client.messages.create(model="claude-opus-4-7", max_tokens=64, messages=[question])
        assert [block.text for block in message.content if block.type == "text"] == [ANSWER]
        async with client.messages.stream(model="claude-opus-4-7", max_tokens=64, messages=[question]) as stream:
            assert (await stream.get_final_text()).strip() == ANSWER
            assert (await stream.get_final_message()).usage.output_tokens == len(ANSWER.split())
    assert upstream.counts()[0] == 2


async def test_the_openai_sdk_reads_its_answers_and_streams(upstream: Upstream) -> None:
    question: openai.types.chat.ChatCompletionUserMessageParam = {"role": "user", "content": "why jitter?"}
    async with openai.AsyncOpenAI(base_url=f"{upstream.url}/v1", api_key="none", max_retries=0) as client:
        completion = await client.chat.completions.create(model="gpt-bench", messages=[question])
        assert completion.choices[0].message.content == ANSWER
        stream = await client.chat.completions.create(model="gpt-bench", messages=[question], stream=True)
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).strip() == ANSWER
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_it_waits_as_told_and_counts_requests_and_the_most_in_flight(upstream: Upstream) -> None:
    upstream.set_delay(50)
    plan = Plan(
        url=f"{upstream.url}/v1/messages",
        bodies=itertools.repeat(json.dumps({"messages": []}).encode()),
        connections=6,
        requests_each=3,
        marker=ANSWER.encode(),
    )
    outcome = await asyncio.wait_for(load.run(plan), 30)
    assert (outcome.ok, outcome.failed_share) == (18, 0)
    assert outcome.percentile_ms(0) >= 49  # timers round to whole milliseconds
    assert outcome.requests_per_s <= 6 / 0.049
    assert upstream.counts() == (18, 6)
    upstream.set_delay(0)
    assert upstream.counts() == (0, 0)


async def test_a_client_that_leaves_is_no_longer_in_flight(upstream: Upstream) -> None:
    upstream.set_delay(10_000)
    plan = Plan(f"{upstream.url}/v1/messages", itertools.repeat(b"{}"), 2, requests_each=1, timeout_s=0.1)
    outcome = await asyncio.wait_for(load.run(plan), 30)
    assert dict(outcome.errors) == {"TimeoutError": 2}
    upstream.set_delay(0)
    assert upstream.counts() == (0, 0)


def test_another_path_is_a_404_that_says_what_there_is(upstream: Upstream) -> None:
    status, body = request(f"{upstream.url}/v1/embeddings", "POST", {})
    assert status == 404
    assert "/v1/messages" in body["error"]
