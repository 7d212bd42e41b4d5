"""OpenAI's surface, with OpenAI's own client: whoever speaks to OpenAI speaks to the service.

DESIGN, section 4. Next: ``test_sessions.py``.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator

import openai
import pytest

from tests.stack import Stack

PROMPT = "What does a half-open circuit breaker admit?"


def client(stack: Stack, key: str = "") -> openai.AsyncOpenAI:
    """The SDK as it comes, but for its retries; for a user of its own unless a key is given."""
    return openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key=key or stack.caller().key, max_retries=0)


@pytest.fixture
async def sdk(stack: Stack) -> AsyncIterator[openai.AsyncOpenAI]:
    """The client of a user."""
    async with client(stack) as sdk:
        yield sdk


async def test_a_completion_has_answer_usage_and_what_it_cost(stack: Stack, sdk: openai.AsyncOpenAI) -> None:
    done = await sdk.chat.completions.create(model="default", messages=[{"role": "user", "content": PROMPT}])
    assert "one probe" in (done.choices[0].message.content or "")
    assert (done.object, done.model, done.choices[0].finish_reason) == ("chat.completion", "default", "stop")
    (call,) = await stack.sim.calls()
    assert done.usage is not None
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (call["input_tokens"], call["output_tokens"])
    assert done.usage.total_tokens == call["input_tokens"] + call["output_tokens"]
    facts = (done.model_extra or {})["gauntlet"]
    assert facts["source"] == "live"
    assert round(facts["cost_usd"] * 1e9) == call["billed_nano_usd"]
    assert done.id == f"chatcmpl-{call['request_id']}"


async def test_a_streamed_completion_is_the_same_in_pieces(stack: Stack, sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model="default",
        messages=[{"role": "user", "content": PROMPT}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks[:-1]]
    assert len([piece for piece in pieces if piece]) > 1
    assert [c.choices[0].finish_reason for c in chunks[:-1] if c.choices[0].finish_reason] == ["stop"]
    (call,) = await stack.sim.calls()
    usage = chunks[-1].usage
    assert chunks[-1].choices == []
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (call["input_tokens"], call["output_tokens"])
    again = await sdk.chat.completions.create(model="default", messages=[{"role": "user", "content": PROMPT}])
    assert again.choices[0].message.content == "".join(pieces)
    assert (again.model_extra or {})["gauntlet"]["source"] == "cache"


async def test_a_stream_without_asking_for_usage_has_none(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model="economy", messages=[{"role": "user", "content": PROMPT}], stream=True
    )
    assert all(chunk.choices and chunk.usage is None for chunk in [chunk async for chunk in stream])


async def test_the_conversation_that_the_client_sends_reaches_the_model(sdk: openai.AsyncOpenAI) -> None:
    done = await sdk.chat.completions.create(
        model="default",
        messages=[
            {"role": "developer", "content": "The office cat is called Ada."},
            {"role": "user", "content": "My parrot is called Bix."},
            {"role": "assistant", "content": "Noted."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "What is the "}, {"type": "text", "text": "cat called?"}],
            },
        ],
    )
    assert "Ada" in (done.choices[0].message.content or "")


async def test_the_models_are_the_routes(sdk: openai.AsyncOpenAI) -> None:
    ids = [model.id async for model in await sdk.models.list()]
    assert {"default", "economy", "restart", "error", "buffer"} <= set(ids)
    assert (await sdk.models.retrieve("economy")).id == "economy"
    with pytest.raises(openai.NotFoundError, match="economy"):
        await sdk.models.retrieve("gpt-none")


async def test_parameters_that_no_stage_uses_are_taken_and_named(sdk: openai.AsyncOpenAI) -> None:
    done = await sdk.chat.completions.create(
        model="default",
        messages=[{"role": "user", "content": PROMPT}],
        temperature=0.5,
        top_p=0.9,
        user="u-1",
        presence_penalty=0.1,
        n=1,
        modalities=["text"],
        stream=None,
    )
    ignored = ["temperature", "modalities", "presence_penalty", "top_p", "user"]
    assert (done.model_extra or {})["gauntlet"]["ignored"] == ignored


async def test_an_answer_that_max_tokens_cuts_says_so_and_is_not_kept(stack: Stack, sdk: openai.AsyncOpenAI) -> None:
    for _ in range(2):
        done = await sdk.chat.completions.create(
            model="default", messages=[{"role": "user", "content": PROMPT}], max_completion_tokens=5
        )
        assert done.choices[0].finish_reason == "length"
        assert done.usage is not None
        assert done.usage.completion_tokens == 5
    assert len(await stack.sim.calls()) == 2


async def ask(sdk: openai.AsyncOpenAI, text: str = PROMPT, model: str = "default", **extra: object) -> None:
    await sdk.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], extra_body=extra or None
    )


async def test_errors_raise_the_clients_own_classes(stack: Stack, sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="gpt-none") as unknown:
        await ask(sdk, model="gpt-none")
    assert unknown.value.code == "not_found"
    with pytest.raises(openai.BadRequestError, match="topp") as strange:
        await ask(sdk, topp=1)
    assert (strange.value.param, strange.value.type) == ("topp", "invalid_request_error")
    with pytest.raises(openai.UnprocessableEntityError, match="temperature"):
        await ask(sdk, temperature="hot")
    async with client(stack, key="sk-nobody") as nobody:
        with pytest.raises(openai.AuthenticationError, match="not known") as refused:
            await ask(nobody)
        assert refused.value.type == "authentication_error"
        with pytest.raises(openai.AuthenticationError):
            await nobody.models.list()
    assert await stack.sim.calls() == []


async def test_too_many_at_once_raise_the_clients_rate_limit_error(sdk: openai.AsyncOpenAI) -> None:
    asked = [ask(sdk, f"What is {uuid.uuid4().hex}?") for _ in range(30)]
    errors = [e for e in await asyncio.gather(*asked, return_exceptions=True) if e is not None]
    assert errors
    for error in errors:
        assert isinstance(error, openai.RateLimitError)
        assert (error.code, error.type) == ("rate_limited", "rate_limit_error")
        assert int(error.response.headers["retry-after"]) >= 1
        assert error.response.headers["ratelimit"].startswith('"user";r=0;t=')


async def test_an_outage_raises_the_clients_server_error_with_a_time_to_come_back(
    stack: Stack, sdk: openai.AsyncOpenAI
) -> None:
    for target in ("anthropic", "openai"):
        await stack.sim.fault(target, "status", status=503)
    with pytest.raises(openai.InternalServerError) as out:
        await ask(sdk)
    assert (out.value.status_code, out.value.code) == (503, "all_rungs_failed")
    assert int(out.value.response.headers["retry-after"]) >= 1


async def test_a_broken_stream_raises_in_the_client(stack: Stack, sdk: openai.AsyncOpenAI) -> None:
    await stack.sim.fault("anthropic", "cut")
    stream = await sdk.chat.completions.create(
        model="default", messages=[{"role": "user", "content": PROMPT}], stream=True
    )
    with pytest.raises(openai.APIError) as broken:
        async for _ in stream:
            pass
    assert broken.value.code == "stream_broken"
