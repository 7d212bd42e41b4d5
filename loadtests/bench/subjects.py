"""Who is measured: each subject's command, environment and chat request, and the proof that its answers are right.

A subject that answers wrongly is often fast, so each is checked before it is measured (`check`), and every answer that
is measured must carry its marker.

Read `rig.py` next: what starts them.
"""

import http.client
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from loadtests.bench.upstream import ANSWER

ASK_TIMEOUT_S = 10.0
CACHED_WITHIN_S = 2.0
POLL_S = 0.05


class WrongAnswerError(Exception):
    """A subject did not answer as it should, so a figure of it would mean nothing."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Where a subject finds what it uses; URLs. ``silent`` takes connections and never answers."""

    upstream: str
    store: str
    collector: str
    silent: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A server that takes `POST {path} {"text": …}`.

    `command` is made from the upstream's URL, `environment` from those of what it needs. `marker` is in the body of
    every answer to a question that was not asked before. `has_cache`: the second time, the answer says so.
    """

    name: str
    command: Callable[[str], list[str]]
    marker: bytes
    environment: Callable[["Needs"], dict[str, str]] = lambda _needs: {}
    headers: dict[str, str] = field(default_factory=dict)
    path: str = "/chat"
    calls_upstream: bool = True
    has_cache: bool = False


LIVE, CACHED = b'"live"', b'"cache"'


def _app(name: str, marker: bytes = ANSWER.encode(), *, calls_upstream: bool = True) -> Subject:
    module = [sys.executable, "-m", "loadtests.bench.apps", name]
    return Subject(name, lambda upstream: [*module, "--upstream", upstream], marker, calls_upstream=calls_upstream)


def _poc(form: str) -> Subject:
    command = [sys.executable, "-m", "loadtests.poc", form, "--port", "0"]
    return Subject(f"PoC {form}", lambda upstream: [*command, "--upstream", upstream], LIVE)


def _gauntlet(
    name: str, workers: int, collector: Callable[[Needs], str] = lambda needs: needs.collector, **more: str
) -> Subject:
    command = [sys.executable, "-m", "service", "--host", "127.0.0.1", "--port", "0", "--workers", str(workers)]
    return Subject(
        name,
        lambda _upstream: command,
        LIVE,
        lambda needs: {
            "GAUNTLET_PROFILE": "bench",
            "REDIS_URL": needs.store,
            "GAUNTLET_PROVIDERS__ANTHROPIC__BASE_URL": needs.upstream,
            "GAUNTLET_PROVIDERS__OPENAI__BASE_URL": f"{needs.upstream}/v1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector(needs),
            **more,
        },
        {"authorization": "Bearer demo-alice"},
        has_cache=True,
    )


UPSTREAM = Subject(
    name="upstream alone",
    command=lambda _upstream: [sys.executable, "-m", "loadtests.bench.upstream"],
    marker=ANSWER.encode(),
    path="/v1/messages",
)
HELLO_ASGI = _app("hello-asgi", b"hello", calls_upstream=False)
HELLO = _app("hello", b"hello", calls_upstream=False)
BARE = _app("bare")
POC_SYNC = _poc("sync")
POC_BLOCKING = _poc("blocking")
BARE_AIOHTTP = _app("bare-aiohttp")
GAUNTLET = _gauntlet("gauntlet", workers=1)
GAUNTLET_2 = _gauntlet("gauntlet-2-workers", workers=2)
UNTOLD = _gauntlet("telemetry off", workers=1, OTEL_SDK_DISABLED="true")
EVERY_TRACE = _gauntlet(
    "every trace",
    workers=1,
    GAUNTLET_TELEMETRY__ORDINARY_PER_S="1000000",
    OTEL_BSP_MAX_QUEUE_SIZE="65536",
)
"""As if there were no sampling: what it saves."""
COLLECTOR_AWAY = _gauntlet("collector away", 1, lambda _needs: "http://127.0.0.1:9")
COLLECTOR_HANGS = _gauntlet("collector hangs", 1, lambda needs: needs.silent)


def request(
    url: str, method: str = "GET", body: object = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """One HTTP request on a connection of its own: the status, and the body's JSON (None when it is not JSON).

    Raises:
        OSError: No connection, or no answer within `ASK_TIMEOUT_S`.
    """
    target = urlsplit(url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=ASK_TIMEOUT_S)
    try:
        payload = None if body is None else json.dumps(body)
        connection.request(method, target.path, payload, {"content-type": "application/json", **(headers or {})})
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    try:
        return response.status, json.loads(content)
    except ValueError:
        return response.status, None


def _answer(subject: Subject, url: str, text: str, *allowed: bytes) -> bytes:
    status, answer = request(url + subject.path, "POST", {"text": text}, subject.headers)
    found = next((marker for marker in allowed if status == 200 and marker in json.dumps(answer).encode()), None)
    if found is None:
        expected = " or ".join(marker.decode() for marker in allowed)
        raise WrongAnswerError(f"{subject.name} was expected to answer 200 with {expected}, but: {status} {answer}")
    return found


def check(subject: Subject, url: str, upstream_requests: Callable[[], int]) -> None:
    """Ask twice, and hold the answers and the upstream's count of requests against what the subject is said to do.

    Raises:
        WrongAnswerError: They do not agree.
    """
    before, run = upstream_requests(), os.urandom(6).hex()
    _answer(subject, url, f"why do retries need jitter? ({run})", subject.marker)
    calls = upstream_requests() - before
    if calls != subject.calls_upstream:
        raise WrongAnswerError(
            f"{subject.name} answered one new question with {calls} upstream calls, not {subject.calls_upstream:d}"
        )
    if subject.has_cache:
        prime(subject, url, f"why do breakers need a cool-down? ({run})")


def prime(subject: Subject, url: str, text: str) -> None:
    """Ask a question until the answer comes from the cache; it may be stored a moment after the first answer was sent.

    Raises:
        WrongAnswerError: It is not served from the cache within `CACHED_WITHIN_S`.
    """
    deadline_s = time.monotonic() + CACHED_WITHIN_S
    while _answer(subject, url, text, CACHED, subject.marker) != CACHED:
        if time.monotonic() > deadline_s:
            raise WrongAnswerError(f"{subject.name} did not serve a question from its cache when asked it again")
        time.sleep(POLL_S)
