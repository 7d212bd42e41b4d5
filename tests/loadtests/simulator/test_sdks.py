"""The real SDKs understand the simulator, over both of their transports."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from .lab import ANSWER_START, CLAUDE, GPT, QUESTION, Lab, plain, user

ASK_CLAUDE: dict[str, Any] = {"model": CLAUDE, "max_tokens": 300, "messages": [user(QUESTION)]}
ASK_GPT: dict[str, Any] = {"model": GPT, "messages": [user(QUESTION)]}

ANTHROPIC_CLIENTS = [anthropic.DefaultAsyncHttpxClient, anthropic.DefaultAioHttpClient]
OPENAI_CLIENTS = [openai.DefaultAsyncHttpxClient, openai.DefaultAioHttpClient]


@pytest.mark.parametrize("client", ANTHROPIC_CLIENTS)
async def test_anthropic_sdk_reads_a_whole_message(lab: Lab, client: Any) -> None:
    message = await lab.anthropic(http_client=plain(client)).messages.create(**ASK_CLAUDE)
    assert message.content[0].text.startswith(ANSWER_START)
    assert message.stop_reason == "end_turn"
    row = await lab.row()
    assert (row["input_tokens"], row["output_tokens"]) == (message.usage.input_tokens, message.usage.output_tokens)
    assert row["completed"]
    assert row["status"] == 200


@pytest.mark.parametrize("client", ANTHROPIC_CLIENTS)
async def test_anthropic_sdk_reads_a_stream_whose_deltas_are_the_whole_answer(lab: Lab, client: Any) -> None:
    sdk = lab.anthropic(http_client=plain(client))
    whole = await sdk.messages.create(**ASK_CLAUDE)
    async with sdk.messages.stream(**ASK_CLAUDE) as stream:
        deltas = [text async for text in stream.text_stream]
        final = await stream.get_final_message()
    assert len(deltas) > 3
    assert "".join(deltas) == whole.content[0].text
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.usage.input_tokens == whole.usage.input_tokens
    first, second = await lab.rows(2)
    assert (first["stream"], second["stream"]) == (False, True)
    assert first["output_tokens"] == second["output_tokens"] == final.usage.output_tokens
    assert first["billed_nano_usd"] == second["billed_nano_usd"] > 0


@pytest.mark.parametrize("client", OPENAI_CLIENTS)
async def test_openai_sdk_reads_a_whole_completion(lab: Lab, client: Any) -> None:
    completion = await lab.openai(http_client=plain(client)).chat.completions.create(**ASK_GPT)
    assert completion.choices[0].message.content.startswith(ANSWER_START)
    assert completion.choices[0].finish_reason == "stop"
    row = await lab.row()
    usage = completion.usage
    assert (row["input_tokens"], row["output_tokens"]) == (usage.prompt_tokens, usage.completion_tokens)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@pytest.mark.parametrize("client", OPENAI_CLIENTS)
async def test_openai_sdk_reads_a_stream_with_its_usage(lab: Lab, client: Any) -> None:
    sdk = lab.openai(http_client=plain(client))
    whole = await sdk.chat.completions.create(**ASK_GPT)
    stream = await sdk.chat.completions.create(**ASK_GPT, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


async def test_openai_stream_without_include_usage_tells_no_usage(lab: Lab) -> None:
    stream = await lab.openai().chat.completions.create(**ASK_GPT, stream=True)
    assert all(chunk.usage is None and chunk.choices for chunk in [chunk async for chunk in stream])


async def test_both_sdks_list_the_models(lab: Lab) -> None:
    claude = [model.id async for model in lab.anthropic().models.list()]
    gpt = [model.id async for model in lab.openai().models.list()]
    assert CLAUDE in claude
    assert GPT in gpt
    assert "fake-small" in claude
    assert "fake-small" in gpt


async def test_max_tokens_cuts_the_answer_and_says_so(lab: Lab) -> None:
    message = await lab.anthropic().messages.create(**{**ASK_CLAUDE, "max_tokens": 5})
    completion = await lab.openai().chat.completions.create(**ASK_GPT, max_completion_tokens=5)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)
    assert (completion.choices[0].finish_reason, completion.usage.completion_tokens) == ("length", 5)


async def test_a_request_can_be_told_apart_by_its_ids(lab: Lab) -> None:
    raw = await lab.anthropic().messages.with_raw_response.create(
        **ASK_CLAUDE, extra_headers={"X-Request-ID": "mine", "X-Attempt": "3"}
    )
    row = await lab.row()
    assert (row["request_id"], row["attempt"]) == ("mine", 3)
    assert raw.headers["request-id"].startswith("req_")
    openai_raw = await lab.openai().chat.completions.with_raw_response.create(**ASK_GPT)
    assert openai_raw.headers["x-request-id"].startswith("req_")


async def test_openai_sdk_reads_embeddings_in_both_encodings(lab: Lab) -> None:
    sdk = lab.openai(house="retrieval")
    packed = await sdk.embeddings.create(model="fake-embed", input=["retry storms", "circuit breaker"])
    plain = await sdk.embeddings.create(model="fake-embed", input="retry storms", encoding_format="float")
    assert len(packed.data) == 2
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    first, _ = await lab.rows(2)
    assert (first["target"], first["endpoint"], first["output_tokens"]) == ("embeddings", "/v1/embeddings", 0)
