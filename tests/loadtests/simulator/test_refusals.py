"""Bad requests are refused as the providers do, and nothing is billed for them."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from .lab import CLAUDE, GPT, QUESTION, Lab, user

MESSAGES = [user(QUESTION)]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"max_tokens": 5, "messages": MESSAGES}, 400, "model: Field required"),
        ({"model": CLAUDE, "max_tokens": 5}, 400, "messages: Field required"),
        ({"model": CLAUDE, "messages": MESSAGES}, 400, "max_tokens: Field required"),
        ({"model": CLAUDE, "max_tokens": 0, "messages": MESSAGES}, 400, "max_tokens"),
        ({"model": CLAUDE, "max_tokens": True, "messages": MESSAGES}, 400, "max_tokens"),
        ({"model": CLAUDE, "max_tokens": 5, "messages": []}, 400, "messages"),
        ({"model": CLAUDE, "max_tokens": 5, "messages": [{"role": "system", "content": "x"}]}, 400, "messages.0.role"),
        ({"model": CLAUDE, "max_tokens": 5, "messages": [{"role": ["user"], "content": "x"}]}, 400, "messages.0.role"),
        ({"model": CLAUDE, "max_tokens": 5, "messages": [{"role": "user", "content": 7}]}, 400, "messages.0.content"),
        ({"model": CLAUDE, "max_tokens": 5, "messages": MESSAGES, "stream": "yes"}, 400, "stream"),
        ({"model": CLAUDE, "max_tokens": 5, "messages": MESSAGES, "temperature": 0.5}, 400, "temperature"),
        ({"model": CLAUDE, "max_tokens": 5, "messages": MESSAGES, "top_p": 0.5}, 400, "top_p"),
        ({"model": CLAUDE, "max_tokens": 5, "messages": MESSAGES, "top_k": 5}, 400, "top_k"),
        ({"model": GPT, "max_tokens": 5, "messages": MESSAGES}, 404, GPT),
    ],
)
async def test_anthropic_refuses_and_names_the_field(lab: Lab, body: dict[str, Any], status: int, says: str) -> None:
    got, headers, document = await lab.messages(body)
    assert got == status
    assert document["type"] == "error"
    assert document["error"]["type"] == ("invalid_request_error" if status == 400 else "not_found_error")
    assert says in document["error"]["message"]
    assert document["request_id"] == headers["request-id"]
    row = await lab.row()
    assert (row["status"], row["input_tokens"], row["output_tokens"], row["billed_nano_usd"]) == (status, 0, 0, 0)
    assert row["fault"] is None


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"messages": MESSAGES}, 400, "model"),
        ({"model": GPT}, 400, "messages"),
        ({"model": GPT, "messages": "hello"}, 400, "messages"),
        ({"model": GPT, "messages": MESSAGES, "temperature": 9}, 400, "temperature"),
        ({"model": GPT, "messages": MESSAGES, "max_tokens": -1}, 400, "max_tokens"),
        ({"model": GPT, "messages": MESSAGES, "stream": "yes"}, 400, "stream"),
        ({"model": GPT, "messages": MESSAGES, "stream_options": {"include_usage": True}}, 400, "stream_options"),
        ({"model": CLAUDE, "messages": MESSAGES}, 404, "model"),
    ],
)
async def test_openai_refuses_and_names_the_param(lab: Lab, body: dict[str, Any], status: int, param: str) -> None:
    got, _, document = await lab.chat(body)
    assert got == status
    assert set(document) == {"error"}
    assert document["error"]["param"] == param
    assert document["error"]["code"] == ("model_not_found" if status == 404 else None)


async def test_the_sdks_raise_authentication_errors_for_invalid_keys(lab: Lab) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        await lab.anthropic(api_key="invalid-key").messages.create(model=CLAUDE, max_tokens=5, messages=MESSAGES)
    with pytest.raises(openai.AuthenticationError):
        await lab.openai(api_key="invalid-key").chat.completions.create(model=GPT, messages=MESSAGES)


async def test_a_missing_key_is_401_on_both_providers(lab: Lab) -> None:
    body = {"model": CLAUDE, "max_tokens": 5, "messages": MESSAGES}
    status, _, document = await lab.post("anthropic", "/v1/messages", body, {"anthropic-version": "2026-10-21"})
    assert (status, document["error"]["type"]) == (401, "authentication_error")
    status, _, document = await lab.post("openai", "/v1/chat/completions", {"model": GPT, "messages": MESSAGES}, {})
    assert (status, document["error"]["code"]) == (401, "invalid_api_key")


async def test_an_older_anthropic_version_still_takes_a_temperature(lab: Lab) -> None:
    body = {"model": CLAUDE, "max_tokens": 5, "messages": MESSAGES, "temperature": 0.5}
    status, _, _ = await lab.messages(body, **{"anthropic-version": "2023-06-01"})
    assert status == 200


async def test_a_prompt_beyond_the_context_window_is_refused(lab: Lab) -> None:
    long = "word " * 200_000
    status, _, document = await lab.messages({"model": "fake-small", "max_tokens": 5, "messages": [user(long)]})
    assert status == 400
    assert document["error"]["message"].startswith("prompt is too long")
    status, _, document = await lab.chat({"model": "fake-small", "messages": [user(long)]})
    assert (status, document["error"]["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize("body", [b"{not json", b"[1]", b'"text"', b"\xff\xfe"])
async def test_what_is_no_json_object_is_400(lab: Lab, body: bytes) -> None:
    headers = {"x-api-key": "key", "anthropic-version": "2026-10-21"}
    async with lab.http.post(lab.url("anthropic", "/v1/messages"), data=body, headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["type"] == "invalid_request_error"


async def test_an_unknown_path_is_404_in_the_shape_of_the_provider(lab: Lab) -> None:
    status, _, document = await lab.post("anthropic", "/v1/complete", {}, {})
    assert (status, document["error"]["type"]) == (404, "not_found_error")
    status, _, document = await lab.post("openai", "/v1/responses", {}, {})
    assert (status, document["error"]["type"]) == (404, "invalid_request_error")
