"""One request over HTTP: sent, read to its end, judged, and written into the client's book.

On gevent, through geventhttpclient, which is what Locust's fast users run on; here directly, because times count from
when a request was due and a stream's first token has to be seen when it comes. Each caller has connections of its own,
as people have, so that the kernel spreads them over the workers. A POST is never repeated by the client library.
Read `open_load.py` and `closed_load.py` next: when it sends.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import gevent
import orjson
from geventhttpclient.client import HTTPClient
from geventhttpclient.response import HTTPParseError, HTTPSocketPoolResponse

from loadtests.books.client import ClientBook, Entry, Outcome
from loadtests.load.job import Job
from loadtests.scenario.arrivals import STREAM, Arrival
from loadtests.scenario.model import EFFECTS
from loadtests.scenario.people import Caller

CONNECT_S = 5.0
SILENCE_S = 75.0
"""Longer than any deadline of the service: the service, not this client, decides when to give up."""

AT_ONCE = 3000
"""Connections of one caller, who never waits for one: as many as requests may be in flight."""

LIVE_MAX_TOKENS = 128
"""Where answers cost money."""

NAMED_BY = {"job": "job_id", "agent": "run_id"}
"""Kind -> what the id of what was taken is called in the answer."""

_EMPTY_CONTENT = b'"content":""'
NANO_USD = 1e9


@dataclass(slots=True)
class _Got:
    """What came so far."""

    status: int | None = None
    outcome: Outcome = "lost"
    first_token_s: float | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    worker: str | None = None
    replayed: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One more request about a job or a run that was taken: the `number`-th of its arrival.

    `endpoint` is what the path is called in the book, where ids would make every line another one. Whoever has a
    `decision` is not whom it is about: an approver sends it.
    """

    number: int
    method: str
    path: str
    endpoint: str
    subject_id: str
    body: Mapping[str, Any] | None = None
    key: str | None = None
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request: its line in the book, the document, and the time to come back where one was told."""

    entry: Entry
    document: Mapping[str, Any]
    retry_after_s: float | None = None


class Sender:
    """Sends the requests of one job to its service."""

    def __init__(self, job: Job, book: ClientBook) -> None:
        self._job = job
        self._book = book
        target = urlsplit(job.service)
        self._address = target.hostname or "", target.port
        self._prefix = target.path.rstrip("/")
        self._clients: dict[str, HTTPClient] = {}

    def send(self, arrival: Arrival, body: Mapping[str, Any], due_t: float, *, copy: int = 0) -> Answer:
        """One request, due at `due_t` (Unix seconds)."""
        if self._job.key is not None and arrival.kind not in EFFECTS:
            body = {**body, "max_tokens": LIVE_MAX_TOKENS}
        return self._exchange(arrival, "POST", arrival.path, body, arrival.request_id(copy), arrival.key, due_t)

    def step(self, arrival: Arrival, step: Step) -> Answer:
        """One more request of an arrival, due now. Raises NoApprover for a decision that nobody can make."""
        request_id = arrival.request_id(step.number)
        return self._exchange(arrival, step.method, step.path, step.body, request_id, step.key, time.time(), step)

    def _exchange(
        self,
        arrival: Arrival,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        request_id: str,
        key: str | None,
        due_t: float,
        step: Step | None = None,
    ) -> Answer:
        headers = {
            "Authorization": f"Bearer {self._key(arrival, step)}",
            "Content-Type": "application/json",
            "X-Request-ID": request_id,
        }
        if key is not None:
            headers["Idempotency-Key"] = key
        got = _Got()
        try:
            response = self._client(arrival.caller).request(
                method, self._prefix + path, b"" if body is None else orjson.dumps(body), headers
            )
            _read(response, arrival, got)
        except (OSError, HTTPParseError, ValueError):
            got.outcome = "lost"
        except gevent.GreenletExit:
            got.outcome = "left"
            raise
        finally:
            entry = _entry(arrival, request_id, key, due_t, time.time(), got, step)
            self._book.write(entry)
        return Answer(entry, got.document, got.retry_after_s)

    def _key(self, arrival: Arrival, step: Step | None) -> str:
        if step is not None and step.decision is not None:
            return self._job.decider()
        return self._job.key or arrival.caller.key(self._job.mark)

    def _client(self, caller: Caller) -> HTTPClient:
        client = self._clients.get(caller.name)
        if client is None:
            host, port = self._address
            client = self._clients[caller.name] = HTTPClient(
                host,
                port,
                concurrency=AT_ONCE,
                connection_timeout=CONNECT_S,
                network_timeout=SILENCE_S,
            )
        return client


def _read(response: HTTPSocketPoolResponse, arrival: Arrival, got: _Got) -> None:
    """The whole answer. Raises OSError and HTTPParseError when it breaks off, ValueError for what is no JSON."""
    got.status = response.status_code
    got.worker = _header(response, "x-worker")
    got.replayed = _header(response, "idempotency-replayed") == "true"
    wait = _header(response, "retry-after") or ""
    got.retry_after_s = float(wait) if wait.isdigit() else None
    if "event-stream" in (_header(response, "content-type") or ""):
        _read_stream(response, arrival, got)
        return
    text = response.read()
    if not response.message_complete:
        return
    got.outcome = "answered" if got.status < 400 else "refused" if got.status < 500 else "failed"
    try:
        document = orjson.loads(text)
    except ValueError:
        return  # a plain 500, say: its status is all there is to know
    if isinstance(document, dict):
        got.document = document.get("gauntlet", document)


def _read_stream(response: HTTPSocketPoolResponse, arrival: Arrival, got: _Got) -> None:
    ours = arrival.path == STREAM
    told = b""
    while event := response.readline(b"\n\n"):
        if ours and event.startswith(b"event: delta"):
            got.first_token_s = got.first_token_s or time.time()
        elif ours:
            name, _, told = event.partition(b"\n")
            if name in (b"event: done", b"event: error"):
                got.outcome = "answered" if name.endswith(b"done") else "broken"
        elif event.startswith(b"data: [DONE]"):
            got.outcome = "answered"
        elif b'"gauntlet":' in event or event.startswith(b'data: {"error"'):
            told = event
            got.outcome = "broken"  # until it is said to be done
        elif got.first_token_s is None and _EMPTY_CONTENT not in event:
            got.first_token_s = time.time()
    if got.outcome == "lost":
        got.outcome = "broken" if response.message_complete else "lost"
    if told:
        document = orjson.loads(told.removeprefix(b"data: "))
        got.document = document.get("gauntlet", document)


def _header(response: HTTPSocketPoolResponse, name: str) -> str | None:
    value = response.get(name)
    return value if isinstance(value, str) else None


def _entry(
    arrival: Arrival, request_id: str, key: str | None, due_t: float, now: float, got: _Got, step: Step | None
) -> Entry:
    told = got.document if "source" in got.document else {}
    usage, cost, citations = told.get("usage") or {}, told.get("cost_usd"), told.get("citations")
    subject_id, stands = _subject(arrival, got, step)
    state, created = stands.get("status"), stands.get("created_at")
    return Entry(
        request_id=request_id,
        t=due_t,
        duration_ms=(now - due_t) * 1000,
        endpoint=step.endpoint if step else arrival.path,
        status=got.status,
        outcome=got.outcome,
        stream=arrival.stream,
        first_token_ms=None if got.first_token_s is None else (got.first_token_s - due_t) * 1000,
        source=told.get("source"),
        degraded=tuple(told.get("degraded") or ()),
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens"),
        cost_nano_usd=None if cost is None else round(cost * NANO_USD),
        worker=got.worker,
        key=key,
        replayed=got.replayed,
        kind=arrival.kind,
        callers=arrival.caller.group,
        cited=None if citations is None else len(citations),
        subject_id=subject_id,
        state=state if isinstance(state, str) else None,
        created=created if isinstance(created, float) else None,
        decision=step.decision if step else None,
    )


def _subject(arrival: Arrival, got: _Got, step: Step | None) -> tuple[str | None, Mapping[str, Any]]:
    """The job or run that a request is about, and what was told of it."""
    name = NAMED_BY.get(arrival.kind)
    if name is None:
        return None, {}
    told = got.document if got.outcome == "answered" else {}
    return (step.subject_id if step else told.get(name)), told
