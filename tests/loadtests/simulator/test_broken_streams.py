"""What the SDKs see of every fault of a stream, and what the ledger says about it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import anthropic
import httpx2
import openai
import pytest

from .lab import ANTHROPIC_HEADERS, CLAUDE, GPT, OPENAI_HEADERS, QUESTION, Lab, plain, user

ASK_CLAUDE: dict[str, Any] = {"model": CLAUDE, "max_tokens": 300, "messages": [user(QUESTION)]}
ASK_GPT: dict[str, Any] = {"model": GPT, "messages": [user(QUESTION)]}

CONNECTION_ERRORS = (anthropic.APIConnectionError, openai.APIConnectionError, httpx2.TransportError)


class Seen:
    """What came of a stream before it ended, and how it ended."""

    def __init__(self) -> None:
        self.text = ""
        self.finish: str | None = None
        self.error: Exception | None = None


async def stream_anthropic(lab: Lab, **options: Any) -> Seen:
    seen = Seen()
    try:
        stream = await lab.anthropic(**options).messages.create(**ASK_CLAUDE, stream=True)
        async with stream:
            async for event in stream:
                if event.type == "content_block_delta":
                    seen.text += event.delta.text
                elif event.type == "message_delta":
                    seen.finish = event.delta.stop_reason
    except Exception as error:  # noqa: BLE001 - the test looks at whatever came
        seen.error = error
    return seen


async def stream_openai(lab: Lab, **options: Any) -> Seen:
    seen = Seen()
    try:
        stream = await lab.openai(**options).chat.completions.create(**ASK_GPT, stream=True)
        async with stream:
            async for chunk in stream:
                for choice in chunk.choices or ():
                    seen.text += choice.delta.content or ""
                    seen.finish = choice.finish_reason
    except Exception as error:  # noqa: BLE001 - the test looks at whatever came
        seen.error = error
    return seen


STREAMS = [("anthropic", stream_anthropic), ("openai", stream_openai)]


@pytest.fixture(params=STREAMS, ids=[name for name, _ in STREAMS])
def streamed(request: pytest.FixtureRequest) -> Any:
    return request.param


async def test_a_cut_stream_ends_in_a_connection_error_after_some_text(lab: Lab, streamed: Any) -> None:
    target, stream = streamed
    await lab.fault(target, "cut", params={"fraction": 0.5})
    seen = await stream(lab)
    assert isinstance(seen.error, CONNECTION_ERRORS)
    assert seen.text
    assert seen.finish is None
    row = await lab.row()
    assert (row["fault"], row["status"], row["completed"], row["cancelled"]) == ("cut", 200, False, False)
    assert 0 < row["output_tokens"] < 42
    assert row["billed_nano_usd"] > 0


async def test_a_truncated_stream_ends_without_any_error(lab: Lab, streamed: Any) -> None:
    target, stream = streamed
    await lab.fault(target, "truncate")
    seen = await stream(lab)
    assert seen.error is None
    assert seen.text
    assert seen.finish is None
    row = await lab.row()
    assert (row["fault"], row["completed"]) == ("truncate", False)


async def test_an_error_inside_the_anthropic_stream_has_status_200(lab: Lab) -> None:
    await lab.fault("anthropic", "stream_error")
    seen = await stream_anthropic(lab)
    assert isinstance(seen.error, anthropic.APIStatusError)
    assert (seen.error.status_code, seen.error.type) == (200, "overloaded_error")
    assert seen.text
    assert (await lab.row())["completed"] is False


async def test_an_error_inside_the_openai_stream_is_an_api_error(lab: Lab) -> None:
    await lab.fault("openai", "stream_error", params={"kind": "api_error"})
    seen = await stream_openai(lab)
    assert isinstance(seen.error, openai.APIError)
    assert seen.error.type == "server_error"
    assert seen.text


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
async def test_a_malformed_chunk_is_no_json(lab: Lab, streamed: Any, fraction: float) -> None:
    target, stream = streamed
    await lab.fault(target, "malformed_chunk", params={"fraction": fraction})
    seen = await stream(lab)
    assert isinstance(seen.error, json.JSONDecodeError)
    assert bool(seen.text) == (fraction > 0)
    row = await lab.row()
    assert (row["fault"], row["completed"]) == ("malformed_chunk", False)


async def test_a_stalled_stream_ends_only_when_the_client_gives_up(lab: Lab, streamed: Any) -> None:
    target, stream = streamed
    await lab.fault(target, "stall")
    seen = await stream(lab, timeout=0.6)
    assert seen.error is not None
    assert seen.text
    row = await lab.row()
    assert (row["fault"], row["cancelled"], row["completed"]) == ("stall", True, False)
    assert row["output_tokens"] > 0


@pytest.mark.parametrize(
    ("house", "target", "path", "body", "headers", "ping"),
    [
        ("anthropic", "anthropic", "/v1/messages", ASK_CLAUDE, ANTHROPIC_HEADERS, b"event: ping"),
        ("openai", "openai", "/v1/chat/completions", ASK_GPT, OPENAI_HEADERS, b": keep-alive"),
    ],
)
async def test_pings_keep_a_stalled_stream_warm(
    lab: Lab, house: str, target: str, path: str, body: dict[str, Any], headers: dict[str, str], ping: bytes
) -> None:
    await lab.fault(target, "stall_pings", params={"interval_ms": 20})
    async with lab.http.post(lab.url(house, path), json={**body, "stream": True}, headers=headers) as response:
        pings = 0
        async with asyncio.timeout(10):
            async for line in response.content:
                pings += line.startswith(ping)
                if pings >= 6:
                    break
        response.close()
    row = await lab.row()
    assert (row["fault"], row["cancelled"], row["completed"]) == ("stall_pings", True, False)


async def test_a_slow_first_token_comes_after_the_headers(lab: Lab) -> None:
    await lab.fault("anthropic", "slow_first_token", params={"delay_ms": 450})
    began = time.monotonic()
    stream = await lab.anthropic().messages.create(**ASK_CLAUDE, stream=True)
    opened_s, first_s = time.monotonic() - began, None
    async for event in stream:
        if event.type == "content_block_delta" and first_s is None:
            first_s = time.monotonic() - began
    assert first_s is not None
    assert first_s >= 0.44
    assert opened_s < first_s - 0.1
    assert (await lab.row())["completed"]


async def test_slow_tokens_trickle(lab: Lab) -> None:
    await lab.fault("openai", "slow_tokens", params={"per_token_ms": 12})
    began = time.monotonic()
    seen = await stream_openai(lab)
    assert (seen.error, seen.finish) == (None, "stop")
    row = await lab.row()
    assert time.monotonic() - began >= row["output_tokens"] * 0.012 - 0.01


async def test_a_client_that_leaves_pays_for_the_tokens_so_far(lab: Lab, streamed: Any) -> None:
    target, _ = streamed
    await lab.latency(target, first_token_ms=10, per_token_ms=40)
    began = time.monotonic()
    if target == "anthropic":
        stream: Any = await lab.anthropic().messages.create(**ASK_CLAUDE, stream=True)
    else:
        stream = await lab.openai().chat.completions.create(**ASK_GPT, stream=True)
    events = 0
    async for _event in stream:
        events += 1
        if events == 6:
            break
    await stream.close()
    left_s = time.monotonic() - began
    row = await lab.row()
    assert (row["cancelled"], row["completed"], row["status"]) == (True, False, 200)
    assert 0 < row["output_tokens"] < 42
    assert row["billed_nano_usd"] > 0
    assert row["duration_s"] < left_s + 1


@pytest.mark.parametrize("kind", ["truncated_json", "missing_fields", "empty_content", "html", "empty"])
async def test_a_bad_body_of_a_stream_brings_no_whole_answer(lab: Lab, streamed: Any, kind: str) -> None:
    target, stream = streamed
    await lab.fault(target, "bad_body", params={"kind": kind})
    seen = await stream(lab)
    assert seen.text == ""
    row = await lab.row()
    assert (row["status"], row["fault"]) == (200, "bad_body")
    assert row["completed"] is (kind == "empty_content")
    assert (row["billed_nano_usd"] > 0) is (kind not in ("html", "empty"))


async def test_a_fraction_of_0_breaks_before_the_first_token_and_1_after_the_last(lab: Lab) -> None:
    await lab.fault("anthropic", "cut", params={"fraction": 0.0}, times=1)
    await lab.fault("anthropic", "cut", params={"fraction": 1.0}, times=1)
    early, late = await stream_anthropic(lab), await stream_anthropic(lab)
    assert (early.text, late.finish) == ("", None)
    first, second = await lab.rows(2)
    assert (first["output_tokens"], second["output_tokens"]) == (0, 42)
    assert first["billed_nano_usd"] > 0


async def test_the_httpx_transport_sees_the_cut_too(lab: Lab) -> None:
    await lab.fault("anthropic", "cut")
    seen = await stream_anthropic(lab, http_client=plain(anthropic.DefaultAsyncHttpxClient))
    assert isinstance(seen.error, CONNECTION_ERRORS)
    assert seen.text


async def test_a_broken_stream_does_not_disturb_the_next_call_on_other_connections(lab: Lab) -> None:
    await lab.fault("openai", "cut", times=1)
    sdk = lab.openai()
    with pytest.raises((*CONNECTION_ERRORS, aiohttp.ClientError)):
        async for _chunk in await sdk.chat.completions.create(**ASK_GPT, stream=True):
            pass
    completion = await sdk.chat.completions.create(**ASK_GPT)
    assert completion.choices[0].finish_reason == "stop"
