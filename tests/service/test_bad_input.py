"""Bad input: a 4xx that says what is wrong, in the surface's own form; never a 500, never a stack trace.

DESIGN, section 4. Next: ``test_fuzz.py``, which finds what nobody listed here.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from yarl import URL

from tests.answer import Answer
from tests.caller import Caller
from tests.stack import Stack
from tests.waiting import at_once

from .refusals import openai_error, problem

GOOD: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/chat"): {"text": "hello"},
    ("POST", "/chat/stream"): {"text": "hello"},
    ("POST", "/v1/chat/completions"): {"model": "default", "messages": [{"role": "user", "content": "hello"}]},
    ("POST", "/refund"): {"charge": "ch_1", "amount": 5, "currency": "usd"},
    ("PUT", "/preferences"): {"style": "short"},
    ("PUT", "/admin/stages"): {"cache": True},
    ("POST", "/admin/breakers/reset"): {"provider": "anthropic"},
}
"""Every endpoint that takes a body, with one that it takes."""

endpoints = pytest.mark.parametrize(("method", "path"), GOOD, ids=lambda part: part)
LARGE = b'{"text": "' + b"a" * 1_000_000 + b'"}'
UNREADABLE = {
    "no JSON": b"text=hello",
    "empty": b"",
    "half": b'{"text": "hel',
    "bad UTF-8": b'{"text": "\xff\xfe"}',
    "UTF-16": '{"text": "hello"}'.encode("utf-16"),
    "lone surrogate": b'{"text": "\\ud800"}',
    "deeply nested": b"[" * 100_000,
    "an integer of 5,000 digits": b'{"seed": ' + b"9" * 5000 + b"}",
    "deeply nested value": b'{"text": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
}


def refused(answer: Answer, path: str, status: int) -> str:
    """The words of a refusal in the form of the path's surface."""
    if path.startswith("/v1/"):
        return str(openai_error(answer, status)["message"])
    return str(problem(answer, status)["detail"])


async def send(caller: Caller, method: str, path: str, data: bytes, **headers: str) -> Answer:
    """``data`` as it is, with a key for those who need one."""
    return await caller.request(method, path, data=data, headers={"Idempotency-Key": "k", **headers})


@endpoints
async def test_unreadable_bodies_are_400_and_oversized_ones_413(stack: Stack, method: str, path: str) -> None:
    for name, data in UNREADABLE.items():
        words = refused(await send(stack.admin, method, path, data), path, 400)
        assert "JSON" in words, name
    assert "262144 bytes" in refused(await send(stack.admin, method, path, LARGE), path, 413)
    assert await stack.sim.calls() == []


@endpoints
async def test_a_large_body_without_a_length_is_refused_too(stack: Stack, method: str, path: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(LARGE), 65_536):
            yield LARGE[at : at + 65_536]

    answer = await stack.admin.request(method, path, data=pieces(), headers={"Idempotency-Key": "k"})  # type: ignore[arg-type]
    assert "262144 bytes" in refused(answer, path, 413)


@endpoints
async def test_readable_bodies_that_do_not_fit_name_the_field(stack: Stack, method: str, path: str) -> None:
    good = GOOD[method, path]
    for body, words in (
        ([good], "object"),
        ("hello", "object"),
        (None, "object"),
        ({**good, "colour": "red"}, "colour"),
        *(({**good, name: {"not": "this"}}, name) for name in good),
    ):
        status = 400 if path.startswith("/v1/") and words == "colour" else 422
        data = b"null" if body is None else None
        answer = await stack.admin.request(method, path, body, data=data, headers={"Idempotency-Key": "k"})
        assert words in refused(answer, path, status)
    assert await stack.sim.calls() == []


CHAT = {
    "text": ["", 5, None, True, ["hello"], "a" * 100_001],
    "thread_id": ["", "a/b", "ä", "x" * 65, "a\u0000b", 7],
    "route": ["", 5, "r" * 65],
    "temperature": [-0.1, 2.1, "0.5", 10**400, True],
    "seed": [2**63, -(2**63) - 1, 10**400, 1.5, "1"],
    "max_tokens": [0, -1, 1_000_001, 10**400, 1.5, "10"],
}


@pytest.mark.parametrize("field", CHAT)
async def test_each_field_of_a_chat_is_checked_and_named(stack: Stack, field: str) -> None:
    alice = stack.caller()
    for value in CHAT[field]:
        body = {"text": "hello", field: value}
        if value is None and field != "text":
            continue
        data = _json(body)
        for path in ("/chat", "/chat/stream"):
            document = problem(await send(alice, "POST", path, data), 422)
            assert document["errors"][0]["where"].startswith(field), (value, document)
            assert document["param"] == document["errors"][0]["where"]
    assert await stack.sim.calls() == []


async def test_numbers_that_are_none_are_refused(stack: Stack) -> None:
    for number in [b"NaN", b"Infinity", b"-Infinity", b"1e999"]:
        for path in ("/chat", "/v1/chat/completions"):
            good = _json(GOOD["POST", path])[:-1]
            answer = await send(stack.caller(), "POST", path, good + b', "temperature": ' + number + b"}")
            assert answer.status in (400, 422), answer.body
        assert await stack.sim.calls() == []


COMPLETION: list[tuple[dict[str, Any], int, str]] = [
    ({"messages": []}, 422, "messages"),
    ({"messages": [{"role": "tool", "content": "x"}]}, 422, "role"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 422, "content"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "user"),
    ({"messages": [{"role": "system", "content": "x"}]}, 400, "user"),
    ({"model": "gpt-none"}, 404, "gpt-none"),
    ({"model": 5}, 422, "model"),
    ({"n": 2}, 422, "n"),
    ({"max_tokens": 0}, 422, "max_tokens"),
    ({"temperature": 3}, 422, "temperature"),
    ({"stream": "yes"}, 422, "stream"),
    ({"stream_options": {"strange": 1}}, 422, "stream_options"),
    ({"topp": 1}, 400, "topp"),
]


async def test_each_field_of_a_completion_is_checked_and_named(stack: Stack) -> None:
    alice = stack.caller()
    for change, status, words in COMPLETION:
        body = {**GOOD["POST", "/v1/chat/completions"], **change}
        error = openai_error(await alice.request("POST", "/v1/chat/completions", body), status)
        assert words in f"{error['message']} {error['param']}", (change, error)
    assert await stack.sim.calls() == []


KEYS = {
    "none": None,
    "empty": "",
    "unknown": "Bearer sk-nobody",
    "no scheme": "demo-alice",
    "another scheme": "Basic ZGVtbzphbGljZQ==",
    "nothing after the scheme": "Bearer ",
    "bad demo name": "Bearer demo-a b-c",
    "not ASCII": "Bearer demo-ä-ö",
    "very long": "Bearer " + "k" * 7000,
}
PATHS = [*GOOD, ("GET", "/threads"), ("GET", "/v1/models"), ("GET", "/admin/breakers"), ("GET", "/nowhere")]


async def test_without_a_known_key_every_endpoint_is_401(stack: Stack) -> None:
    for given in KEYS.values():
        headers = {} if given is None else {"Authorization": given}
        for method, path in PATHS:
            answer = await stack.request(method, stack.url + path, GOOD.get((method, path)), headers=headers)
            words = refused(answer, path, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "key" in words.lower()
            assert given is None or len(given) < 20 or given[7:] not in words


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p in PATHS if p.startswith("/admin")])
async def test_admin_endpoints_refuse_everybody_else(stack: Stack, method: str, path: str) -> None:
    document = problem(await stack.caller().request(method, path, GOOD.get((method, path))), 403)
    assert "admin" in document["detail"]


async def test_a_deadline_that_is_no_number_of_milliseconds_is_400(stack: Stack) -> None:
    for given in ["0", "-1", "soon", "1.5", "", " ", "600001", "1e3", "²", "9" * 6000]:
        alice = stack.caller()
        assert "X-Deadline-Ms" in problem(await alice.chat(headers={"X-Deadline-Ms": given}), 400)["detail"]


async def test_an_unknown_path_is_404(stack: Stack) -> None:
    for path in ["/nowhere", "/", "/chat/x", "/threads/a/b", "/%00", "/%ff", "/admin"]:
        for method in ("GET", "POST"):
            assert "/openapi.json" in problem(await stack.admin.request(method, path), 404)["detail"]


async def test_an_unknown_path_on_openais_surface_is_404_in_its_form(stack: Stack) -> None:
    openai_error(await stack.admin.request("POST", "/v1/embeddings", {}), 404)


@endpoints
async def test_a_method_that_an_endpoint_lacks_is_405_and_says_which_it_has(
    stack: Stack, method: str, path: str
) -> None:
    for other in ("DELETE", "PATCH"):
        answer = await stack.admin.request(other, path)
        assert other in refused(answer, path, 405)
        assert method in re.split(r",\s*", answer.headers["allow"]) or path in ("/preferences", "/admin/stages")


async def test_a_strange_thread_id_is_404(stack: Stack) -> None:
    for name in ["nowhere", "%00", "a%0Ab", "x" * 4000, "..%2Fother", "%F0%9F%92%A9", "%ff"]:
        alice = stack.caller()
        for method in ("GET", "DELETE"):
            url = URL(f"{stack.url}/threads/{name}", encoded=True)
            answer = await stack.request(method, str(url), headers=alice.headers)
            problem(answer, 404)


async def test_a_strange_query_does_no_harm(stack: Stack) -> None:
    for query in ["explain=1&explain=2", "explain=%ff", "strange=1", "=&&=", "a" * 4000, "%00"]:
        assert (await stack.caller().request("POST", f"/chat?{query}", {"text": "hello"})).status == 200


async def test_a_strange_text_is_a_text(stack: Stack) -> None:
    for text in ["\u0000", "a\u0000b", " ", "\u202e", "💩" * 100, "{{7*7}}", "\r\n\r\ndata: x\n\n"]:
        alice = stack.caller()
        assert (await alice.chat(text)).status == 200
        events = await alice.stream(text + "?")
        assert events[-1][0] == "done"
        done = events[-1][1]
        assert done["answer"] == "".join(data["text"] for name, data in events if name == "delta")
        thread = (await alice.request("GET", f"/threads/{done['thread_id']}")).json()
        assert thread["messages"][0]["content"] == text + "?"


async def test_whatever_the_content_type_says_the_body_is_read_as_json(stack: Stack) -> None:
    alice = stack.caller()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "nonsense"):
        assert (await send(alice, "POST", "/chat", b'{"text": "hello"}', **{"Content-Type": kind})).status == 200


async def test_bad_input_in_bulk_leaves_no_trace(stack: Stack) -> None:
    alice = stack.caller()
    answers = await at_once(60, lambda n: send(alice, "POST", "/chat", b"{" * n))
    assert {a.status for a in answers} == {400}
    assert (await alice.chat()).status == 200
    assert (await alice.request("GET", "/threads")).json()["threads"]
    assert stack.service.lines(event="unexpected") == []


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
