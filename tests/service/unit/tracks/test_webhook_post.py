"""One try, against real receivers: what counts as taken, what it may cost, and that it goes where it was checked."""

import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from service.clock import SystemClock
from service.settings import WebhookSettings
from service.tracks.webhook_post import Poster, Tried
from service.tracks.webhook_target import Targets

from .receivers import (
    Answer,
    answering,
    certificate,
    dripping_body,
    dripping_headers,
    endless_body,
    hanging,
    no_http,
    receiver,
    resetting,
)

BODY = b'{"type":"job.completed"}'
HEADERS = {"webhook-id": "msg_1"}
QUICK = {"timeout_s": 0.5, "connect_timeout_s": 0.3}


async def everything_is_here(host: str, port: int, tenant: str) -> Sequence[str]:
    return ["127.0.0.1"]


def poster(*, tls: ssl.SSLContext | None = None, resolve: Any = everything_is_here, **given: Any) -> Poster:
    settings, clock = WebhookSettings(**{**QUICK, **given}), SystemClock()
    return Poster(settings, Targets(settings, clock=clock, resolve=resolve), clock=clock, tls=tls)


async def tried(answer: Answer, **given: Any) -> Tried:
    async with receiver(answer) as there:
        outcome = await poster(**given).post(there.url(), BODY, HEADERS)
        assert len(there.requests) == 1
        assert there.requests[0].endswith(BODY)
        assert b"webhook-id: msg_1" in there.requests[0].lower()
        return outcome


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content"])
async def test_2xx_is_taken(status: str) -> None:
    assert (await tried(answering(status))).error is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 401, 404, 409, 422, 500, 502])
async def test_everything_else_is_a_failure(status: int) -> None:
    assert await tried(answering(f"{status} X")) == Tried(status, "status")


async def test_410_wants_no_more() -> None:
    assert await tried(answering("410 Gone")) == Tried(410, "gone")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("said", "wait_s"), [("7", 7.0), ("100000", 3600.0), ("-3", None), ("soon", None), ("99999999999", None)]
)
async def test_a_receiver_may_ask_to_wait_within_bounds(status: int, said: str, wait_s: float | None) -> None:
    assert await tried(answering(f"{status} X", f"retry-after: {said}")) == Tried(status, "status", wait_s)


async def test_others_may_not() -> None:
    assert await tried(answering("500 X", "retry-after: 7")) == Tried(500, "status", None)


async def test_a_redirect_is_not_followed_wherever_it_leads() -> None:
    async with receiver(answering("200 OK")) as inside:
        outcome = await tried(answering("307 Temporary Redirect", f"location: {inside.url()}"))
        assert outcome == Tried(307, "status")
        assert inside.requests == []


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver(answering("200 OK")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await tried(answering("200 OK"))).error is None
        assert proxy.requests == []


@pytest.mark.parametrize("answer", [hanging, dripping_headers])
async def test_a_receiver_that_hangs_or_drips_costs_the_time_out_and_no_more(answer: Answer) -> None:
    began = time.monotonic()
    assert await tried(answer) == Tried(None, "timeout")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("answer", [endless_body, dripping_body, answering("200 OK", body="x" * 100_000)])
async def test_the_rest_of_a_2xx_does_not_matter(answer: Answer) -> None:
    began = time.monotonic()
    assert await tried(answer) == Tried(200, None)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "answer", [resetting, no_http, answering("200 OK", "x-long: " + "y" * 20_000)], ids=["reset", "no HTTP", "headers"]
)
async def test_a_connection_that_breaks_is_a_failure(answer: Answer) -> None:
    assert await tried(answer) == Tried(None, "connection")


async def test_nobody_there_is_a_failure() -> None:
    async with receiver(answering("200 OK")) as there:
        url = there.url()
    assert await poster().post(url, BODY, HEADERS) == Tried(None, "connection")


async def test_a_target_that_is_refused_is_not_connected_to() -> None:
    async with receiver(answering("200 OK")) as there:
        outcome = await poster(allowed_networks=()).post(there.url(), BODY, HEADERS)
        assert outcome == Tried(None, "target")
        named = await poster(allowed_networks=()).post(there.url("receiver.example"), BODY, HEADERS)
        assert named == Tried(None, "target")
        assert there.requests == []


async def test_a_name_is_looked_up_once_and_the_connection_goes_to_what_was_checked() -> None:
    """A name that answers otherwise when it is asked again would reach the server on the second address."""
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    asked: list[str] = []

    async def changing(host: str, port: int, tenant: str) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    async with receiver(answering("204 No Content")) as there:
        outcome = await poster(resolve=changing).post(there.url("receiver.example"), BODY, HEADERS)
        assert outcome == Tried(204, None)
        assert asked == ["receiver.example"]
        assert f"host: receiver.example:{there.port}".encode() in there.requests[0].lower()


async def test_a_name_that_turns_inside_after_it_was_set_is_refused_at_the_call() -> None:
    answers = iter((["127.0.0.1"], ["10.0.0.1"]))

    async def turning(host: str, port: int, tenant: str) -> Sequence[str]:
        return next(answers)

    settings = WebhookSettings(**QUICK)
    targets = Targets(settings, clock=SystemClock(), resolve=turning)
    async with receiver(answering("200 OK")) as there:
        await targets.check(there.url("receiver.example"))
        outcome = await Poster(settings, targets, clock=SystemClock()).post(
            there.url("receiver.example"), BODY, HEADERS
        )
        assert outcome == Tried(None, "target")
        assert there.requests == []


async def test_a_name_that_is_not_found_now_is_a_failure_to_be_tried_again() -> None:
    async def hangs(host: str, port: int, tenant: str) -> Sequence[str]:
        await SystemClock().sleep(60)
        return []

    assert await poster(resolve=hangs).post("http://receiver.example/", BODY, HEADERS) == Tried(None, "timeout")

    async def nowhere(host: str, port: int, tenant: str) -> Sequence[str]:
        raise OSError("no such name")

    assert await poster(resolve=nowhere).post("http://receiver.example/", BODY, HEADERS) == Tried(None, "target")


async def test_tls_still_verifies_the_name_although_the_address_is_pinned(tmp_path: Path) -> None:
    server, trusting = certificate(tmp_path, "receiver.example")
    async with receiver(answering("200 OK"), server) as there:
        right, wrong = there.url("receiver.example", "https"), there.url("another.example", "https")
        assert (await poster(tls=trusting).post(right, BODY, HEADERS)).error is None
        assert await poster(tls=trusting).post(wrong, BODY, HEADERS) == Tried(None, "connection")
        assert await poster().post(right, BODY, HEADERS) == Tried(None, "connection")
        assert len(there.requests) == 1
