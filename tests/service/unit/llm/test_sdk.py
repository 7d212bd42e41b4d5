"""From what a provider sends to an error of our tree, through the real SDKs on a mock transport."""

import json
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from service.errors import (
    BadAnswer,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    GauntletError,
    InvalidRequest,
    Misconfigured,
    ProviderError,
    RateLimitedByProvider,
    RequestTooLarge,
    StreamBroken,
    TimedOut,
    Unavailable,
)
from service.llm.anthropic import AnthropicProvider
from service.llm.openai import OpenAIProvider
from service.llm.provider import LLMRequest, Message, Usage
from service.llm.sdk import retry_hint_s

from ..fakes import PROVIDERS, FakeClock

Provider = AnthropicProvider | OpenAIProvider
Handler = Callable[[httpx2.Request], httpx2.Response]
Open = Callable[[str, Handler], Provider]
KINDS = ["anthropic", "openai"]
REQUEST = LLMRequest(
    "m",
    (Message("user", "hi"), Message("assistant", "yes?"), Message("user", "ask")),
    max_tokens=9,
    system="Be brief.",
    temperature=0.5,
    seed=3,
    headers={"X-Request-ID": "r", "X-Attempt": "2"},
)


@pytest.fixture(scope="module")
def providers() -> Iterator[tuple[dict[str, Provider], list[Handler]]]:
    """One provider of each kind, because an SDK's client is slow to build; the last handler answers their HTTP."""
    handlers: list[Handler] = []
    transport = httpx2.MockTransport(lambda request: handlers[-1](request))
    with pytest.MonkeyPatch.context() as patch:
        for kind in KINDS:
            patch.setattr(f"service.llm.{kind}.aiohttp_client", lambda *_: httpx2.AsyncClient(transport=transport))
        given: dict[str, Any] = {"api_key": "k", "model": "m", "hint_max_s": 60.0, "clock": FakeClock()}
        yield (
            {
                "anthropic": AnthropicProvider("anthropic", PROVIDERS["anthropic"], **given),
                "openai": OpenAIProvider("openai", PROVIDERS["openai"], **given),
            },
            handlers,
        )


@pytest.fixture
def provider(providers: tuple[dict[str, Provider], list[Handler]]) -> Open:
    """A provider of a kind whose HTTP is answered by a handler."""
    by_kind, handlers = providers

    def make(kind: str, handler: Handler) -> Provider:
        handlers.append(handler)
        return by_kind[kind]

    return make


def answering(status: int, body: Any = None, headers: dict[str, str] | None = None) -> Handler:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = {"content-type": "application/json"}
    return lambda _: httpx2.Response(status, content=content, headers={**kind, **(headers or {})})


def failing(error: Exception) -> Handler:
    def handler(_: httpx2.Request) -> httpx2.Response:
        raise error

    return handler


def error_body(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "error", "error": given} if kind == "anthropic" else {"error": given}


async def raised(provider: Provider, *, stream: bool = False) -> GauntletError:
    with pytest.raises(GauntletError) as caught:
        await (drained(provider) if stream else provider.complete(REQUEST))
    return caught.value


async def drained(provider: Provider) -> None:
    async for _ in await provider.stream(REQUEST):
        pass


STATUSES = [
    (400, {"message": "no such field"}, InvalidRequest),
    (422, {"message": "no"}, InvalidRequest),
    (400, {"message": "prompt is too long: 300000 tokens"}, ContextTooLong),
    (400, {"message": "much", "code": "context_length_exceeded"}, ContextTooLong),
    (400, {"message": "no", "code": "content_filter"}, ContentFiltered),
    (400, {"message": "Output blocked by content filtering policy"}, ContentFiltered),
    (413, {"message": "large"}, RequestTooLarge),
    (401, {"message": "key"}, Misconfigured),
    (402, {"message": "bill"}, Misconfigured),
    (403, {"message": "may not"}, Misconfigured),
    (404, {"message": "model"}, Misconfigured),
    (429, {"message": "quota", "code": "insufficient_quota"}, Misconfigured),
    (429, {"message": "spend", "details": {"error_code": "enforced_spend_limit_reached"}}, Misconfigured),
    (429, {"message": "slow down", "type": "rate_limit_error"}, RateLimitedByProvider),
    (429, {"message": "slow down", "details": [{"reason": "RATE"}]}, RateLimitedByProvider),
    (429, {"message": "slow down", "code": {"n": 1}}, RateLimitedByProvider),
    (429, "slow down", RateLimitedByProvider),
    (408, {"message": "late"}, Unavailable),
    (500, {"message": "oops"}, Unavailable),
    (502, "<html>", Unavailable),
    (503, {"message": "busy"}, Unavailable),
    (504, {"message": "late"}, Unavailable),
    (529, {"type": "overloaded_error", "message": "overloaded"}, Unavailable),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("status", "body", "expected"), STATUSES)
async def test_every_status_becomes_the_error_whose_fault_it_is(
    provider: Open, kind: str, status: int, body: Any, expected: type[GauntletError], stream: bool
) -> None:
    content = error_body(kind, body) if isinstance(body, dict) else body
    error = await raised(provider(kind, answering(status, content)), stream=stream)
    assert type(error) is expected
    if isinstance(error, ProviderError):
        assert (error.provider, error.upstream_status) == (kind, status)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_failed_call_is_made_once_the_sdk_does_not_retry(provider: Open, kind: str) -> None:
    calls: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        calls.append(request)
        return httpx2.Response(503, json={})

    await raised(provider(kind, handler))
    assert len(calls) == 1
    assert (calls[0].headers["X-Request-ID"], calls[0].headers["X-Attempt"]) == ("r", "2")


CANARIES = ("jane.doe@example.com", "+1 (555) 010-1234", "4111 1111 1111 1111", "DE89370400440532013000", "192.0.2.17")
REPEATED = f"cannot read: {', '.join(CANARIES)}"


def told(error: BaseException) -> str:
    """All that a log or a span might tell of it."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 529])
async def test_what_an_error_repeats_of_the_prompt_is_masked_with_its_cause(
    provider: Open, kind: str, status: int
) -> None:
    error = await raised(provider(kind, answering(status, error_body(kind, {"message": REPEATED, "type": REPEATED}))))
    assert "cannot read: [email], [number], [number], [iban], [ip]" in error.message
    assert not [canary for canary in CANARIES if canary in told(error)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
async def test_so_is_what_a_body_that_is_no_json_or_a_lost_connection_says(
    provider: Open, kind: str, stream: bool
) -> None:
    for handler in (answering(500, REPEATED.encode()), failing(httpx2.ConnectError(REPEATED))):
        error = await raised(provider(kind, handler), stream=stream)
        assert not [canary for canary in CANARIES if canary in told(error)]


@pytest.mark.parametrize("kind", KINDS)
async def test_so_is_an_error_in_a_stream(provider: Open, kind: str) -> None:
    failed = {"type": "error", "error": {"type": "api_error", "message": REPEATED}}
    events = (*ANTHROPIC[:3], failed) if kind == "anthropic" else (*OPENAI[:2], {"error": {"message": REPEATED}})
    error = await raised(provider(kind, streamed(sse(*events))), stream=True)
    assert type(error) is StreamBroken
    assert not [canary for canary in CANARIES if canary in told(error)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("said", "retryable"), [("false", False), ("true", True), (None, True)])
async def test_x_should_retry_false_makes_a_5xx_final(
    provider: Open, kind: str, said: str | None, retryable: bool
) -> None:
    headers = {"x-should-retry": said} if said else {}
    error = await raised(provider(kind, answering(500, {}, headers)))
    assert isinstance(error, Unavailable)
    assert error.retryable is retryable
    assert error.counts


@pytest.mark.parametrize("kind", KINDS)
async def test_a_429_carries_its_hint_and_an_absurd_one_counts_as_absent(provider: Open, kind: str) -> None:
    for headers, hint_s in (({"retry-after": "7"}, 7.0), ({"retry-after": "3600"}, None), ({}, None)):
        error = await raised(provider(kind, answering(429, error_body(kind, {"message": "slow"}), headers)))
        assert error.retry_after_s == hint_s


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (httpx2.ConnectError("refused"), ConnectionFailed),
        (httpx2.RemoteProtocolError("reset"), ConnectionFailed),
        (httpx2.ReadError("reset"), ConnectionFailed),
        (httpx2.ConnectTimeout("slow"), TimedOut),
        (httpx2.ReadTimeout("slow"), TimedOut),
    ],
    ids=lambda value: getattr(value, "code", type(value).__name__),
)
async def test_a_broken_connection_and_a_timeout_are_told_apart(
    provider: Open, kind: str, cause: Exception, expected: type[GauntletError]
) -> None:
    error = await raised(provider(kind, failing(cause)))
    assert type(error) is expected
    if isinstance(error, TimedOut):
        assert error.phase == ("connect" if isinstance(cause, httpx2.ConnectTimeout) else "read")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body",
    [b"<html>maintenance</html>", b"", b'{"id": "x", "con', b"null", b"[]", b"{}", b'"text"', b'{"usage": null}'],
)
async def test_a_200_that_is_no_answer_is_a_bad_answer(provider: Open, kind: str, body: bytes) -> None:
    error = await raised(provider(kind, answering(200, body)))
    assert type(error) is BadAnswer
    assert error.upstream_status == 200


def anthropic_answer(**given: Any) -> dict[str, Any]:
    return {
        "id": "msg",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [{"type": "text", "text": "4"}, {"type": "thinking"}, {"type": "text", "text": "2"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 3},
        **given,
    }


def openai_answer(**given: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "42"}, "finish_reason": "stop", **given}
    usage = {"prompt_tokens": 13, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}}
    return {"id": "cmpl", "model": "m-1", "choices": [choice], "usage": usage}


@pytest.mark.parametrize(("kind", "answer"), [("anthropic", anthropic_answer()), ("openai", openai_answer())])
async def test_a_good_answer_is_the_same_from_both(provider: Open, kind: str, answer: dict[str, Any]) -> None:
    completion = await provider(kind, answering(200, answer)).complete(REQUEST)
    assert (completion.text, completion.model, completion.finish_reason) == ("42", "m-1", "stop")
    assert completion.usage == Usage(13, 5, 3)


@pytest.mark.parametrize(
    ("kind", "stated", "usage"),
    [
        (
            "anthropic",
            {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 7},
            Usage(20, 5, 3, 7),
        ),
        (
            "anthropic",
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_read_input_tokens": None,
                "cache_creation_input_tokens": None,
            },
            Usage(10, 5),
        ),
        (
            "openai",
            {
                "prompt_tokens": 20,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 7},
            },
            Usage(20, 5, 3, 7),
        ),
        ("openai", {"prompt_tokens": 20, "completion_tokens": 5, "prompt_tokens_details": None}, Usage(20, 5)),
        (
            "openai",  # parts that are more than the whole
            {
                "prompt_tokens": 20,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 7},
            },
            Usage(20, 5, 20, 0),
        ),
    ],
)
async def test_tokens_read_from_and_written_to_a_providers_cache_are_part_of_the_input(
    provider: Open, kind: str, stated: dict[str, Any], usage: Usage
) -> None:
    answer = anthropic_answer(usage=stated) if kind == "anthropic" else {**openai_answer(), "usage": stated}
    assert (await provider(kind, answering(200, answer)).complete(REQUEST)).usage == usage


@pytest.mark.parametrize("count", [-1, 10**10, 1e300])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_count_that_is_none_makes_a_bad_answer_and_never_money_back(
    provider: Open, kind: str, count: float
) -> None:
    answer = (
        anthropic_answer(usage={"input_tokens": 10, "output_tokens": count})
        if kind == "anthropic"
        else {**openai_answer(), "usage": {"prompt_tokens": 10, "completion_tokens": count}}
    )
    error = await raised(provider(kind, answering(200, answer)))
    assert (type(error), error.usage) == (BadAnswer, None)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("anthropic", {k: v for k, v in anthropic_answer().items() if k != "content"}),
        ("anthropic", {k: v for k, v in anthropic_answer().items() if k != "id"}),
        ("openai", {k: v for k, v in openai_answer().items() if k != "choices"}),
        ("openai", openai_answer(message=None)),
        ("openai", {**openai_answer(), "choices": []}),
        ("openai", openai_answer(finish_reason="content_filter")),
        ("anthropic", anthropic_answer(stop_reason="refusal")),
    ],
)
async def test_what_a_bad_or_filtered_answer_states_as_used_is_billed(
    provider: Open, kind: str, answer: dict[str, Any]
) -> None:
    assert (await raised(provider(kind, answering(200, answer)))).usage == Usage(13, 5, 3)


@pytest.mark.parametrize(
    ("kind", "answer", "expected"),
    [
        ("anthropic", anthropic_answer(content=[]), BadAnswer),
        ("anthropic", anthropic_answer(stop_reason=None), BadAnswer),
        ("anthropic", anthropic_answer(usage=None), BadAnswer),
        ("anthropic", anthropic_answer(usage={"input_tokens": "many", "output_tokens": 1}), BadAnswer),
        ("openai", {**openai_answer(), "usage": None}, BadAnswer),
        ("openai", {**openai_answer(), "usage": {"prompt_tokens": "many", "completion_tokens": 1}}, BadAnswer),
        ("anthropic", anthropic_answer(stop_reason="refusal"), ContentFiltered),
        ("openai", openai_answer(message={"content": ""}), BadAnswer),
        ("openai", openai_answer(message={"content": None}), BadAnswer),
        ("openai", openai_answer(finish_reason=None), BadAnswer),
        ("openai", {**openai_answer(), "choices": []}, BadAnswer),
        ("openai", openai_answer(finish_reason="content_filter"), ContentFiltered),
    ],
)
async def test_an_answer_without_a_finished_text_is_none(
    provider: Open, kind: str, answer: dict[str, Any], expected: type[GauntletError]
) -> None:
    assert type(await raised(provider(kind, answering(200, answer)))) is expected


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("anthropic", anthropic_answer(stop_reason="max_tokens")), ("openai", openai_answer(finish_reason="length"))],
)
async def test_a_truncated_answer_says_length(provider: Open, kind: str, answer: dict[str, Any]) -> None:
    assert (await provider(kind, answering(200, answer)).complete(REQUEST)).finish_reason == "length"


async def test_each_api_is_sent_what_it_takes(provider: Open) -> None:
    sent: dict[str, dict[str, Any]] = {}
    for kind, answer in (("anthropic", anthropic_answer()), ("openai", openai_answer())):

        def handler(request: httpx2.Request, kind: str = kind, answer: Any = answer) -> httpx2.Response:
            sent[kind] = json.loads(request.content)
            return httpx2.Response(200, json=answer)

        await provider(kind, handler).complete(REQUEST)
    turns = [{"role": m.role, "content": m.content} for m in REQUEST.messages]
    assert sent["anthropic"] == {"model": "m", "max_tokens": 9, "messages": turns, "system": "Be brief."}
    assert sent["openai"] == {
        "model": "m",
        "max_completion_tokens": 9,
        "messages": [{"role": "system", "content": "Be brief."}, *turns],
        "temperature": 0.5,
        "seed": 3,
    }


def sse(*events: Any) -> bytes:
    """Server-sent events; dictionaries with a type also name it, as Anthropic does."""
    out = b""
    for event in events:
        if isinstance(event, dict) and "type" in event:
            out += f"event: {event['type']}\n".encode()
        out += b"data: " + (event.encode() if isinstance(event, str) else json.dumps(event).encode()) + b"\n\n"
    return out


def text(piece: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


START = {
    "type": "message_start",
    "message": {"id": "x", "model": "m", "usage": {"input_tokens": 10, "output_tokens": 1}},
}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
STOP = {"type": "message_stop"}
USED = {"id": "c", "model": "m", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
ANTHROPIC = (START, {"type": "ping"}, text("4"), text("2"), {"type": "ping"}, END, STOP)
OPENAI = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "4"}),
    chunk({"content": "2"}),
    chunk({}, "stop"),
    USED,
    "[DONE]",
)


def streamed(body: bytes) -> Handler:
    return lambda _: httpx2.Response(200, content=body, headers={"content-type": "text/event-stream"})


@pytest.mark.parametrize(("kind", "events"), [("anthropic", ANTHROPIC), ("openai", OPENAI)])
async def test_a_stream_yields_text_only_and_then_knows_usage_and_reason(
    provider: Open, kind: str, events: tuple[Any, ...]
) -> None:
    stream = await provider(kind, streamed(sse(*events))).stream(REQUEST)
    assert [piece async for piece in stream] == ["4", "2"]
    assert (stream.finish_reason, stream.usage) == ("stop", Usage(10, 5, 0))
    await stream.aclose()


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({"output_tokens": 5}, Usage(17, 5, 3, 4)),
        ({"output_tokens": 5, "input_tokens": 30}, Usage(37, 5, 3, 4)),
        (
            {
                "output_tokens": 5,
                "input_tokens": None,
                "cache_read_input_tokens": 6,
                "cache_creation_input_tokens": None,
            },
            Usage(20, 5, 6, 4),
        ),
    ],
)
async def test_anthropics_counts_are_cumulative_and_the_last_one_stated_holds(
    provider: Open, said: dict[str, Any], usage: Usage
) -> None:
    first = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 4}
    start = {"type": "message_start", "message": {"id": "x", "model": "m", "usage": first}}
    body = sse(start, text("42"), {**END, "usage": said}, STOP)
    stream = await provider("anthropic", streamed(body)).stream(REQUEST)
    assert [piece async for piece in stream] == ["42"]
    assert stream.usage == usage


async def test_openais_stream_states_its_cached_tokens_too(provider: Open) -> None:
    used = {"prompt_tokens": 20, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 16}}
    stream = await provider("openai", streamed(sse(*OPENAI[:4], {**USED, "usage": used}, "[DONE]"))).stream(REQUEST)
    assert [piece async for piece in stream] == ["4", "2"]
    assert stream.usage == Usage(20, 5, 16)


BROKEN = [
    ("anthropic", sse(*ANTHROPIC[:4])),
    ("anthropic", sse(*ANTHROPIC[:6])),
    ("anthropic", sse(*ANTHROPIC[:3], {"type": "error", "error": {"type": "overloaded_error", "message": "529"}})),
    ("anthropic", sse(*ANTHROPIC[:3]) + b"event: content_block_delta\ndata: {not json\n\n"),
    ("anthropic", sse(*ANTHROPIC[:3], {"type": "content_block_delta"})),
    ("anthropic", sse({**START, "message": {"usage": None}})),
    ("anthropic", b""),
    ("openai", sse(*OPENAI[:2])),
    ("openai", sse(*OPENAI[:2], "[DONE]")),
    ("openai", sse(*OPENAI[:2], {"error": {"message": "overloaded", "type": "server_error"}})),
    ("openai", sse(*OPENAI[:2]) + b"data: {not json\n\n"),
    ("openai", sse(*OPENAI[:2], {"choices": [{"index": 0}]})),
    ("openai", sse(*OPENAI[:2], {**USED, "usage": {"prompt_tokens": "many", "completion_tokens": 1}})),
    ("openai", b""),
]


@pytest.mark.parametrize(("kind", "body"), BROKEN)
async def test_a_stream_that_fails_or_ends_early_is_broken_never_whole(provider: Open, kind: str, body: bytes) -> None:
    assert type(await raised(provider(kind, streamed(body)), stream=True)) is StreamBroken


@pytest.mark.parametrize(
    ("kind", "last"),
    [
        ("anthropic", {**END, "delta": {"stop_reason": "refusal"}}),
        ("openai", chunk({}, "content_filter")),
    ],
)
async def test_a_refusal_at_the_end_of_a_stream_is_the_callers(provider: Open, kind: str, last: dict[str, Any]) -> None:
    events = (*(ANTHROPIC if kind == "anthropic" else OPENAI)[:3], last)
    assert type(await raised(provider(kind, streamed(sse(*events))), stream=True)) is ContentFiltered


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        ("anthropic", ({**END, "delta": {"stop_reason": "refusal"}}, STOP)),
        ("openai", (chunk({}, "content_filter"), USED, "[DONE]")),
    ],
)
async def test_a_refused_stream_is_billed_what_it_states(provider: Open, kind: str, rest: tuple[Any, ...]) -> None:
    events = (*(ANTHROPIC if kind == "anthropic" else OPENAI)[:3], *rest)
    error = await raised(provider(kind, streamed(sse(*events))), stream=True)
    assert (type(error), error.usage) == (ContentFiltered, Usage(10, 5))


async def test_a_refusal_stays_one_when_the_stream_breaks_before_its_usage(provider: Open) -> None:
    body = sse(*OPENAI[:3], chunk({}, "content_filter")) + b"data: {not json\n\n"
    error = await raised(provider("openai", streamed(body)), stream=True)
    assert (type(error), error.usage) == (ContentFiltered, None)


async def test_the_chapters_form_of_a_call_is_messages_in_and_text_out(provider: Open) -> None:
    assert await provider("openai", answering(200, openai_answer())).call([Message("user", "hi")]) == "42"
    assert await provider("anthropic", answering(200, anthropic_answer())).call([Message("user", "hi")]) == "42"


NOW_S = 1_700_000_000.0


def date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(NOW_S + seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "hint_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": date(30)}, 30.0),
        ({"retry-after": date(-30)}, None),
        ({"retry-after": date(7200)}, None),
        ({"retry-after": "60"}, 60.0),
        ({"retry-after": "60.1"}, None),
        ({"retry-after": "3600"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 -0000"}, None),
    ],
)
def test_a_retry_hint_is_seconds_or_absent(headers: dict[str, str], hint_s: float | None) -> None:
    assert retry_hint_s(headers, now_s=NOW_S, max_s=60.0) == hint_s


@hypothesis(max_examples=60)
@given(
    st.text(max_size=40)
    | st.from_regex(r"Mon, [0-9]{1,2} (Jan|Feb|Xyz) [0-9]{1,5} [0-9]{2}:[0-9]{2}:[0-9]{2} [-+][0-9]{4}", fullmatch=True)
)
def test_no_header_however_odd_makes_anything_but_a_bounded_wait(given: str) -> None:
    for name in ("retry-after", "retry-after-ms"):
        hint_s = retry_hint_s({name: given}, now_s=NOW_S, max_s=60.0)
        assert hint_s is None or 0 < hint_s <= 60
