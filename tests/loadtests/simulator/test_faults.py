"""What a call that is not streamed meets: refusals, broken connections, slow and bad answers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import anthropic
import openai
import pytest

from loadtests.simulator.errors import KINDS

from .lab import ANTHROPIC_HEADERS, CLAUDE, GPT, QUESTION, Lab, plain, user

ASK_CLAUDE: dict[str, Any] = {"model": CLAUDE, "max_tokens": 300, "messages": [user(QUESTION)]}
ASK_GPT: dict[str, Any] = {"model": GPT, "messages": [user(QUESTION)]}


@pytest.mark.parametrize(
    ("status", "error_class", "error_type"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (402, anthropic.APIStatusError, "billing_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (408, anthropic.APIStatusError, "timeout_error"),
        (413, anthropic.APIStatusError, "request_too_large"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (502, anthropic.InternalServerError, "api_error"),
        (503, anthropic.InternalServerError, "api_error"),
        (504, anthropic.InternalServerError, "timeout_error"),
        (529, anthropic.InternalServerError, "overloaded_error"),
    ],
)
async def test_a_forced_status_reaches_the_anthropic_sdk(
    lab: Lab, status: int, error_class: type[anthropic.APIStatusError], error_type: str
) -> None:
    await lab.fault("anthropic", "status", params={"status": status})
    with pytest.raises(error_class) as caught:
        await lab.anthropic().messages.create(**ASK_CLAUDE)
    assert caught.value.status_code == status
    assert caught.value.type == error_type
    row = await lab.row()
    assert (row["status"], row["fault"], row["completed"], row["billed_nano_usd"]) == (status, "status", True, 0)


@pytest.mark.parametrize(
    ("kind", "status", "error_type", "code"),
    [
        ("rate_limit", 429, "requests", "rate_limit_exceeded"),
        ("insufficient_quota", 429, "insufficient_quota", "insufficient_quota"),
        ("spend_limit", 429, "insufficient_quota", "billing_hard_limit_reached"),
        ("context_length", 400, "invalid_request_error", "context_length_exceeded"),
        ("content_filter", 400, "invalid_request_error", "content_filter"),
        ("overloaded", 503, "server_error", "overloaded"),
        ("authentication", 401, "invalid_request_error", "invalid_api_key"),
    ],
)
async def test_a_kind_brings_its_own_status_and_code(
    lab: Lab, kind: str, status: int, error_type: str, code: str
) -> None:
    await lab.fault("openai", "status", params={"kind": kind})
    with pytest.raises(openai.APIStatusError) as caught:
        await lab.openai().chat.completions.create(**ASK_GPT)
    assert (caught.value.status_code, caught.value.type, caught.value.code) == (status, error_type, code)


async def test_every_kind_has_a_body_on_every_wire(lab: Lab) -> None:
    for target, call in (("anthropic", lab.messages), ("openai", lab.chat)):
        for kind in KINDS:
            await lab.fault(target, "status", params={"kind": kind}, times=1)
            status, _, document = await call()
            assert status >= 400
            assert document["error"]["message"]


async def test_a_spend_limit_is_told_in_the_details(lab: Lab) -> None:
    await lab.fault("anthropic", "status", params={"kind": "spend_limit"})
    with pytest.raises(anthropic.RateLimitError) as caught:
        await lab.anthropic().messages.create(**ASK_CLAUDE)
    assert caught.value.error_code == "enforced_spend_limit_reached"
    assert "retry-after" not in caught.value.response.headers


@pytest.mark.parametrize(
    ("params", "headers"),
    [
        ({"retry_after": 2}, {"retry-after": "2"}),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        ({"retry_after": -5}, {"retry-after": "-5"}),
        ({"retry_after": 7200}, {"retry-after": "7200"}),
        ({"retry_after_ms": 1500.5}, {"retry-after-ms": "1500.5"}),
        ({"should_retry": False}, {"x-should-retry": "false"}),
        ({"should_retry": "maybe"}, {"x-should-retry": "maybe"}),
    ],
)
async def test_retry_hints_are_sent_verbatim(lab: Lab, params: dict[str, Any], headers: dict[str, str]) -> None:
    await lab.fault("anthropic", "status", params={"status": 429, **params})
    _, got, _ = await lab.messages()
    assert {name: got.get(name) for name in headers} == headers


async def test_a_status_strikes_a_stream_before_its_first_byte(lab: Lab) -> None:
    await lab.fault("anthropic", "status", params={"status": 529})
    with pytest.raises(anthropic.InternalServerError):
        await lab.anthropic().messages.create(**ASK_CLAUDE, stream=True)


async def test_a_reset_comes_before_the_headers(lab: Lab) -> None:
    await lab.fault("anthropic", "reset", times=2)
    with pytest.raises(anthropic.APIConnectionError):
        await lab.anthropic().messages.create(**ASK_CLAUDE)
    with pytest.raises(anthropic.APIConnectionError):
        await lab.anthropic(http_client=plain(anthropic.DefaultAsyncHttpxClient)).messages.create(**ASK_CLAUDE)
    for row in await lab.rows(2):
        assert (row["status"], row["fault"], row["completed"], row["cancelled"]) == (None, "reset", False, False)


async def test_a_reset_is_a_tcp_reset(lab: Lab) -> None:
    await lab.fault("anthropic", "reset")
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.ports["anthropic"])
    writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()


async def test_a_hang_lasts_until_the_client_leaves_and_is_visible_meanwhile(lab: Lab) -> None:
    await lab.fault("openai", "hang")
    call = asyncio.create_task(lab.openai().chat.completions.create(**ASK_GPT))
    pending = await lab.pending(1)
    assert (pending[0]["status"], pending[0]["duration_s"], pending[0]["completed"]) == (None, None, False)
    assert (pending[0]["fault"], pending[0]["cancelled"]) == ("hang", False)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    row = await lab.row()
    assert (row["status"], row["cancelled"], row["billed_nano_usd"]) == (None, True, 0)
    assert row["duration_s"] > 0


async def test_slow_faults_delay_a_whole_answer(lab: Lab) -> None:
    await lab.fault("anthropic", "slow_first_token", params={"delay_ms": 200}, times=1)
    await lab.fault("anthropic", "slow_tokens", params={"per_token_ms": 5}, times=1)
    for least_s in (0.19, 0.19):
        began = time.monotonic()
        await lab.anthropic().messages.create(**ASK_CLAUDE)
        assert time.monotonic() - began >= least_s


@pytest.mark.parametrize("fault", ["stall", "stall_pings"])
async def test_a_stall_without_a_stream_never_answers(lab: Lab, fault: str) -> None:
    await lab.fault("anthropic", fault)
    with pytest.raises(anthropic.APITimeoutError):
        await lab.anthropic(timeout=0.3).messages.create(**ASK_CLAUDE)
    row = await lab.row()
    assert (row["status"], row["cancelled"], row["output_tokens"]) == (None, True, 21)


async def test_a_stream_error_without_a_stream_is_an_error_response(lab: Lab) -> None:
    await lab.fault("anthropic", "stream_error")
    with pytest.raises(anthropic.InternalServerError) as caught:
        await lab.anthropic().messages.create(**ASK_CLAUDE)
    assert caught.value.status_code == 529


async def test_a_cut_announces_more_than_it_sends(lab: Lab) -> None:
    await lab.fault("anthropic", "cut")
    async with lab.http.post(
        lab.url("anthropic", "/v1/messages"), json=ASK_CLAUDE, headers=ANTHROPIC_HEADERS
    ) as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    row = await lab.row()
    assert (row["completed"], row["output_tokens"]) == (False, 42)


async def test_a_truncated_answer_has_no_stop_reason(lab: Lab) -> None:
    await lab.fault("anthropic", "truncate")
    await lab.fault("openai", "truncate")
    message = await lab.anthropic().messages.create(**ASK_CLAUDE)
    completion = await lab.openai().chat.completions.create(**ASK_GPT)
    assert (message.stop_reason, message.usage.output_tokens) == (None, 21)
    assert completion.choices[0].finish_reason is None
    assert not message.content[0].text.endswith(".")


@pytest.mark.parametrize("kind", ["truncated_json", "malformed"])
async def test_broken_json_cannot_be_read(lab: Lab, kind: str) -> None:
    if kind == "malformed":
        await lab.fault("anthropic", "malformed_chunk")
    else:
        await lab.fault("anthropic", "bad_body", params={"kind": kind})
    with pytest.raises(json.JSONDecodeError):
        await lab.anthropic().messages.create(**ASK_CLAUDE)
    row = await lab.row()
    assert (row["status"], row["completed"], row["output_tokens"]) == (200, False, 42)


async def test_bad_bodies_are_what_they_say(lab: Lab) -> None:
    for kind in ("html", "empty", "missing_fields", "empty_content"):
        await lab.fault("anthropic", "bad_body", params={"kind": kind}, times=1)
        await lab.fault("openai", "bad_body", params={"kind": kind}, times=1)
    html: Any = await lab.anthropic().messages.create(**ASK_CLAUDE)
    assert isinstance(html, str)
    assert html.startswith("<html>")
    async with lab.http.post(
        lab.url("anthropic", "/v1/messages"), json=ASK_CLAUDE, headers=ANTHROPIC_HEADERS
    ) as response:
        assert (response.status, await response.read()) == (200, b"")
    _, _, missing = await lab.messages()
    assert "content" not in missing
    empty = await lab.anthropic().messages.create(**ASK_CLAUDE)
    assert (empty.content, empty.usage.output_tokens) == ([], 42)
    sdk = lab.openai()
    assert isinstance(await sdk.chat.completions.create(**ASK_GPT), str)
    with pytest.raises(json.JSONDecodeError):
        await sdk.chat.completions.create(**ASK_GPT)
    assert (await sdk.chat.completions.create(**ASK_GPT)).choices is None
    assert (await sdk.chat.completions.create(**ASK_GPT)).choices == []
    billed = [row["billed_nano_usd"] > 0 for row in await lab.rows(8)]
    assert billed == [False, False, True, True] * 2


@pytest.mark.parametrize("fault", ["status", "reset", "cut", "truncate", "malformed_chunk", "bad_body", "stream_error"])
async def test_other_targets_meet_the_same_faults(lab: Lab, fault: str) -> None:
    asks = {
        "embeddings": ("retrieval", "/v1/embeddings", {"model": "fake-e", "input": "x"}),
        "rerank": ("retrieval", "/v1/rerank", {"model": "fake-r", "query": "x", "documents": ["x"]}),
        "payments": ("payments", "/v1/charges", {"amount": 5, "currency": "usd"}),
    }
    for target, (house, path, body) in asks.items():
        await lab.fault(target, fault, times=1)
        try:
            status, _, document = await lab.post(house, path, body, {})
        except (aiohttp.ClientError, json.JSONDecodeError):
            assert fault in ("reset", "cut", "truncate", "malformed_chunk", "bad_body")
        else:
            assert fault in ("status", "stream_error")
            assert (status, "error" in document) == (503, True)
        status, _, _ = await lab.post(house, path, body, {})
        assert status == 200
    assert [row["fault"] for row in await lab.rows(6)] == [fault, None] * 3


async def test_slow_faults_delay_targets_without_tokens(lab: Lab) -> None:
    for fault, params in (("slow_first_token", {"delay_ms": 120}), ("slow_tokens", {"per_token_ms": 120})):
        await lab.fault("payments", fault, params=params, times=1)
        began = time.monotonic()
        await lab.post("payments", "/v1/charges", {"amount": 5, "currency": "usd"}, {})
        assert time.monotonic() - began >= 0.11
