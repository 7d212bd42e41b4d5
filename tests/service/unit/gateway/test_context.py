"""Request context: identity, trace and deadline in; a clear answer out, whatever happens inside."""

import os
import re
import uuid
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from service.errors import Overloaded
from service.gateway.auth import Auth, Caller
from service.gateway.context import Context, RequestContext, context_of
from service.settings import load

from ..fakes import FakeClock
from .asgi import get

ALICE = {"authorization": "Bearer demo-alice"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Inside:
    """What the context surrounds: answers, or raises what it was given."""

    def __init__(self, error: Exception | None = None, *, after_start: bool = False) -> None:
        self.seen: list[Context] = []
        self._error = error
        self._after_start = after_start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(context_of(scope))
        if self._after_start:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        if self._error is not None:
            raise self._error
        context_of(scope).headers.append((b"x-more", b"yes"))
        await PlainTextResponse("ok")(scope, receive, send)


def around(inside: Inside, clock: FakeClock, ended: Callable[[Context], None] = lambda _: None) -> RequestContext:
    return RequestContext(inside, auth=Auth(load()), ended=ended, captures=False, clock=clock)


async def test_every_answer_carries_identity_trace_and_worker(clock: FakeClock) -> None:
    inside = Inside()
    answer = await get(around(inside, clock), "/chat", **ALICE)
    [context] = inside.seen
    assert answer.status == 200
    assert answer.headers["x-request-id"] == context.request_id
    assert answer.headers["traceparent"] == context.traceparent
    assert answer.headers["x-worker"] == str(os.getpid())
    assert answer.headers["x-more"] == "yes"
    assert context.caller == Caller("acme", "alice")
    assert context.started_s == clock.now
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", context.traceparent)


async def test_a_clients_request_id_is_kept_when_it_is_a_uuid(clock: FakeClock) -> None:
    given = str(uuid.uuid4())
    answer = await get(around(Inside(), clock), "/chat", **ALICE, x_request_id=given.upper())
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "mine", "1; DROP", "x" * 5000, "é"])
async def test_any_other_request_id_is_replaced(clock: FakeClock, given: str) -> None:
    answer = await get(around(Inside(), clock), "/chat", **ALICE, x_request_id=given)
    assert uuid.UUID(answer.headers["x-request-id"]).version == 4


async def test_a_trace_is_continued_with_a_span_of_ours(clock: FakeClock) -> None:
    answer = await get(around(Inside(), clock), "/chat", **ALICE, traceparent=f"00-{TRACE}-00f067aa0ba902b7-00")
    version, trace, span, flags = answer.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "00")
    assert span != "00f067aa0ba902b7"


@pytest.mark.parametrize("given", ["", "junk", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE.upper()}-x-01"])
async def test_a_wrong_traceparent_begins_a_new_trace(clock: FakeClock, given: str) -> None:
    answer = await get(around(Inside(), clock), "/chat", **ALICE, traceparent=given)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", answer.headers["traceparent"])
    assert TRACE not in answer.headers["traceparent"]


@pytest.mark.parametrize(("given", "deadline_ms"), [("1", 1.0), ("2500", 2500.0), ("600000", 600_000.0)])
async def test_a_deadline_is_whole_milliseconds(clock: FakeClock, given: str, deadline_ms: float) -> None:
    inside = Inside()
    await get(around(inside, clock), "/chat", **ALICE, x_deadline_ms=given)
    assert inside.seen[0].deadline_ms == deadline_ms


@pytest.mark.parametrize("given", ["", "0", "-1", "1.5", "5s", "600001", "9" * 5000, "²", "soon"])
async def test_any_other_deadline_is_400_and_says_what_is_allowed(clock: FakeClock, given: str) -> None:
    inside = Inside()
    answer = await get(around(inside, clock), "/chat", **ALICE, x_deadline_ms=given)
    assert answer.status == 400
    assert "from 1 to 600000" in orjson.loads(answer.body)["detail"]
    assert inside.seen == []


async def test_without_a_key_nothing_inside_is_reached(clock: FakeClock) -> None:
    inside = Inside()
    answer = await get(around(inside, clock), "/chat")
    assert answer.status == 401
    assert orjson.loads(answer.body)["request_id"] == answer.headers["x-request-id"]
    assert inside.seen == []


@pytest.mark.parametrize("path", ["/ready", "/docs", "/openapi.json"])
async def test_public_pages_need_no_key(clock: FakeClock, path: str) -> None:
    assert (await get(around(Inside(), clock), path)).status == 200


async def test_an_error_of_ours_becomes_its_problem_document(clock: FakeClock) -> None:
    answer = await get(around(Inside(Overloaded("full", retry_after_s=1.0)), clock), "/chat", **ALICE)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert orjson.loads(answer.body)["code"] == "overloaded"


async def test_a_defect_is_500_with_a_request_id_and_its_details_stay_in_the_log(clock: FakeClock) -> None:
    with capture_logs() as logs:
        answer = await get(around(Inside(ValueError("the secret")), clock), "/chat", **ALICE)
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert [row["event"] for row in logs] == ["unexpected"]
    assert logs[0]["exc_info"]


@pytest.mark.parametrize("error", [ValueError("late"), Overloaded("late")])
async def test_an_error_in_mid_answer_cuts_the_connection(clock: FakeClock, error: Exception) -> None:
    with capture_logs(), pytest.raises(type(error)):
        await get(around(Inside(error, after_start=True), clock), "/chat", **ALICE)


async def test_what_is_not_http_passes_untouched(clock: FakeClock) -> None:
    seen: list[Any] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def nothing(*_: Any) -> Any:
        return None

    scope = {"type": "lifespan"}
    await RequestContext(inside, auth=Auth(load()), ended=lambda _: None, captures=False, clock=clock)(
        scope, nothing, nothing
    )
    assert seen == [{"type": "lifespan"}]


async def test_whoever_keeps_the_books_is_told_once_whatever_happened(clock: FakeClock) -> None:
    told: list[Context] = []
    for error, status, code in (
        (None, 200, None),
        (Overloaded("full"), 503, "overloaded"),
        (ValueError(), 500, "internal"),
    ):
        inside = Inside(error)
        with capture_logs():
            await get(
                around(inside, clock, told.append), "/chat", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01", **ALICE
            )
        context = told.pop()
        assert not told
        assert (context.status, context.error) == (status, code)
        assert context.parent_span_id == "00f067aa0ba902b7"
        assert context.ended_s == clock.now
