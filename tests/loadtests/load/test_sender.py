"""One request over real HTTP: one line in the book, with the outcome that it had and the times that it took."""

from __future__ import annotations

import os
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import gevent
import orjson
import pytest

from loadtests.books import client
from loadtests.books.client import ClientBook, Entry
from loadtests.load import locustfile_path
from loadtests.load import sender as module
from loadtests.load.job import APPROVER_VARIABLE, VARIABLE, Control, Job, NoApprover
from loadtests.load.sender import LIVE_MAX_TOKENS, Sender
from loadtests.scenario import Arrival, Caller
from loadtests.scenario.arrivals import CHAT, COMPLETIONS, STREAM
from loadtests.scenario.model import Mix
from tests.loadtests.load.green import green
from tests.loadtests.small import scenario

Step = bytes | float | Literal["reset", "hang", "all there"]
"""Bytes to send, seconds to wait, an end that is none, or a wait until all CROWD requests have come."""
CROWD = 40

TOLD = {
    "answer": "Because.",
    "thread_id": "t1",
    "source": "provider",
    "degraded": ["anthropic:unavailable"],
    "usage": {"input_tokens": 12, "output_tokens": 34},
    "cost_usd": 0.001234567,
}
MESSAGE: dict[str, Any] = {
    "answer": "Not now.",
    "source": "message",
    "degraded": ["all"],
    "usage": {},
    "cost_usd": None,
}
ORDER = {"id": "re_1", "status": "succeeded"}
DELTA = b'event: delta\ndata: {"text": "Be"}\n\n'
RESTART = b'event: restart\ndata: {"reason": "broken"}\n\n'
PAUSE_S = 0.15


def plain(status: int, body: bytes, kind: str = "application/json", more: str = "") -> list[Step]:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nX-Worker: 4711\r\n{more}\r\n"
    return [head.encode() + body]


def json_of(status: int, document: Any, more: str = "") -> list[Step]:
    return plain(status, orjson.dumps(document), more=more)


def streamed(*events: Step, ends: bool = True) -> list[Step]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nX-Worker: 4711\r\n"
    chunks: list[Step] = [_chunk(event) if isinstance(event, bytes) else event for event in events]
    return [head + b"Transfer-Encoding: chunked\r\n\r\n", *chunks, *([b"0\r\n\r\n"] if ends else [])]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(name: str, document: Any) -> bytes:
    return f"event: {name}\ndata: ".encode() + orjson.dumps(document) + b"\n\n"


def data(document: Any) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"


def token(text: str) -> bytes:
    return data({"choices": [{"delta": {"content": text}}]})


DONE = data({"choices": [], "usage": {}, "gauntlet": TOLD}) + b"data: [DONE]\n\n"
SCRIPT: dict[str, list[Step]] = {
    "json": [PAUSE_S, *json_of(200, TOLD)],
    "crowd": ["all there", *json_of(200, TOLD)],
    "completion": json_of(200, {"id": "c1", "choices": [], "gauntlet": TOLD}),
    "message": json_of(503, MESSAGE, "Retry-After: 7\r\n"),
    "plain 500": plain(500, b"Internal Server Error", "text/plain"),
    "no json": plain(200, b"<html>", "text/html"),
    "limited": json_of(429, {"title": "Too many requests", "status": 429}, "Retry-After: 3\r\n"),
    "empty": plain(200, b""),
    "paid": json_of(200, ORDER, "Idempotency-Replayed: true\r\n"),
    "half a body": [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{", "reset"],
    "closed before an answer": [],
    "reset before an answer": ["reset"],
    "rubbish": [b"this is no HTTP\r\n\r\n"],
    "stream": streamed(PAUSE_S, DELTA, PAUSE_S, DELTA, event("done", TOLD)),
    "stream that starts over": streamed(DELTA, RESTART, PAUSE_S, DELTA, event("done", TOLD)),
    "stream with an error": streamed(DELTA, event("error", {"title": "It broke", "status": 502})),
    "stream that ends in a message": streamed(event("done", MESSAGE)),
    "stream that is cut": [*streamed(DELTA, DELTA, ends=False), "reset"],
    "stream that is closed": streamed(DELTA, DELTA, ends=False),
    "stream that is cut in an event": [*streamed(DELTA, b'event: done\ndata: {"sou', ends=False), "reset"],
    "stream without its end": streamed(DELTA, DELTA),
    "stream after a restart without its end": streamed(DELTA, RESTART),
    "v1 stream": streamed(token(""), PAUSE_S, token("Be"), PAUSE_S, DONE),
    "v1 stream with an error": streamed(token(""), token("Be"), data({"error": {"message": "it broke"}})),
    "v1 stream without its end": streamed(token(""), token("Be")),
    "v1 stream that is cut": [*streamed(token(""), token("Be"), ends=False), "reset"],
    "cited": json_of(200, {**TOLD, "citations": [{"n": 1}, {"n": 3}]}),
    "taken": json_of(202, {"job_id": "job_1", "status": "queued"}),
    "full": json_of(503, {"title": "Too many jobs", "status": 503}),
    "/jobs/job_1": json_of(200, {"job_id": "job_1", "status": "running", "created_at": 1.25, "cost_usd": 0.1}),
    "approve": json_of(202, {"run_id": "run_1", "status": "resuming"}),
    "reject": json_of(409, {"title": "Conflict", "status": 409}),
    "hang": ["hang"],
    "stream that hangs": streamed(DELTA, "hang"),
}


class Server(socketserver.ThreadingTCPServer):
    """Answers as the question says; keeps what it was sent."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 2 * CROWD
    """Of the five of the standard library, more at once would wait seconds for their handshake to be repeated."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.crowd = threading.Barrier(CROWD)
        self.heads: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.ended = threading.Event()


class Handler(socketserver.StreamRequestHandler):
    """A connection."""

    server: Server

    def handle(self) -> None:
        while (question := self._read()) is not None:
            for step in SCRIPT[question]:
                if step == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                elif step == "hang":
                    self.server.ended.wait(30)
                elif step == "all there":
                    self.server.crowd.wait(30)
                elif isinstance(step, float):
                    time.sleep(step)
                elif isinstance(step, bytes):
                    self.wfile.write(step)
            if not _keeps_open(SCRIPT[question]):
                return

    def _read(self) -> str | None:
        head = ""
        while not head.endswith("\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return None
            head += line.decode()
        self.server.heads.append(head)
        if head.startswith("GET"):
            return head.split()[1]
        length = next(int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:"))
        body = orjson.loads(self.rfile.read(length))
        self.server.bodies.append(body)
        return str(body.get("text") or body.get("decision") or body.get("charge") or body["messages"][0]["content"])


def _keeps_open(steps: Sequence[Step]) -> bool:
    whole = (b"Content-Length" in part for part in steps if isinstance(part, bytes))
    return bool(steps) and "reset" not in steps and (any(whole) or steps[-1] == b"0\r\n\r\n")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.ended.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def job(tmp_path: Path, server: Server) -> Job:
    return Job(tmp_path, scenario(), 7, "mark", f"http://127.0.0.1:{server.server_address[1]}")


CALLER = Caller("acme", "acme1", "u1")


def arrival_of(question: str, number: int = 0) -> Arrival:
    if question == "paid":
        return Arrival(number, 0.0, CALLER, "refund", "/refund", {"charge": question}, 7)
    if question.startswith(("v1", "completion")):
        body = {"model": "default", "messages": [{"role": "user", "content": question}]}
        return Arrival(number, 0.0, CALLER, "unique", COMPLETIONS, body, 7, stream="stream" in question)
    path = STREAM if question.startswith("stream") else CHAT
    return Arrival(number, 0.0, CALLER, "faq", path, {"text": question}, 7, stream=path == STREAM)


def lines(folder: Path) -> list[Entry]:
    found = client.read(folder)
    assert found is not None
    assert not found.broken
    return list(found.entries)


def sent(job: Job, question: str, *, due_before_s: float = 0.0) -> tuple[Entry, Mapping[str, Any], float]:
    """The line in the book, the answer's document, and how long the request took."""
    begun = time.time()
    with ClientBook(job.folder) as book:
        sender = Sender(job, book)
        answer = green(lambda: sender.send(arrival_of(question), arrival_of(question).body, begun - due_before_s))
    took_s = time.time() - begun
    (entry,) = lines(job.folder)
    assert entry == answer.entry
    return entry, answer.document, took_s


OUTCOMES: dict[str, tuple[str, int | None]] = {
    "json": ("answered", 200),
    "completion": ("answered", 200),
    "message": ("failed", 503),
    "plain 500": ("failed", 500),
    "no json": ("answered", 200),
    "limited": ("refused", 429),
    "empty": ("answered", 200),
    "paid": ("answered", 200),
    "half a body": ("lost", 200),
    "closed before an answer": ("lost", None),
    "reset before an answer": ("lost", None),
    "rubbish": ("lost", None),
    "stream": ("answered", 200),
    "stream that starts over": ("answered", 200),
    "stream with an error": ("broken", 200),
    "stream that ends in a message": ("answered", 200),
    "stream that is cut": ("lost", 200),
    "stream that is closed": ("lost", 200),
    "stream that is cut in an event": ("lost", 200),
    "stream without its end": ("broken", 200),
    "stream after a restart without its end": ("broken", 200),
    "v1 stream": ("answered", 200),
    "v1 stream with an error": ("broken", 200),
    "v1 stream without its end": ("broken", 200),
    "v1 stream that is cut": ("lost", 200),
}


@pytest.mark.parametrize("question", OUTCOMES)
def test_each_request_is_one_line_with_its_outcome(job: Job, question: str) -> None:
    entry, _, took_s = sent(job, question)
    arrival = arrival_of(question)
    assert (entry.outcome, entry.status) == OUTCOMES[question]
    assert (entry.request_id, entry.endpoint, entry.stream) == (arrival.request_id(), arrival.path, arrival.stream)
    assert (entry.kind, entry.callers) == (arrival.kind, "acme")
    assert 0 < entry.duration_ms <= took_s * 1000
    assert entry.worker == ("4711" if entry.status is not None and question != "half a body" else None)
    if entry.first_token_ms is not None:
        assert 0 < entry.first_token_ms <= entry.duration_ms


@pytest.mark.parametrize("question", ["json", "completion", "stream", "stream that starts over", "v1 stream"])
def test_what_an_answer_tells_is_in_the_book(job: Job, question: str) -> None:
    entry, document, _ = sent(job, question)
    assert (entry.source, entry.degraded) == ("provider", ("anthropic:unavailable",))
    assert (entry.input_tokens, entry.output_tokens, entry.cost_nano_usd) == (12, 34, 1_234_567)
    assert document["thread_id"] == "t1"


@pytest.mark.parametrize("question", ["plain 500", "limited", "stream that is cut", "v1 stream with an error", "paid"])
def test_what_tells_nothing_has_nothing_in_the_book(job: Job, question: str) -> None:
    entry, _, _ = sent(job, question)
    assert (entry.source, entry.degraded, entry.input_tokens, entry.cost_nano_usd) == (None, (), None, None)


def test_an_honest_message_is_known_by_its_source(job: Job) -> None:
    entry, _, _ = sent(job, "message")
    assert (entry.source, entry.degraded, entry.cost_nano_usd) == ("message", ("all",), None)


def test_a_refund_has_its_key_and_whether_it_was_replayed(job: Job, server: Server) -> None:
    entry, document, _ = sent(job, "paid")
    key = arrival_of("paid").key
    assert (entry.key, entry.replayed, document) == (key, True, ORDER)
    assert f"Idempotency-Key: {key}" in server.heads[-1]


def test_an_answer_that_cites_says_how_many_passages(job: Job) -> None:
    assert sent(job, "cited")[0].cited == 2


JOB = Arrival(9, 0.0, CALLER, "job", "/jobs", {"text": "taken"}, 7)
RUN = replace(JOB, kind="agent", path="/agent")
LOOK = module.Step(10_000, "GET", "/jobs/job_1", "/jobs/{job_id}", "job_1")


def stepped(job: Job, arrival: Arrival, step: module.Step | str) -> tuple[Entry, Mapping[str, Any]]:
    """The line in the book of one request about what is done later, and its document."""
    with ClientBook(job.folder) as book:
        sender = Sender(job, book)
        if isinstance(step, str):
            answer = green(lambda: sender.send(arrival, {"text": step}, time.time()))
        else:
            answer = green(lambda: sender.step(arrival, step))
    return lines(job.folder)[-1], answer.document


def test_what_is_taken_is_known_by_its_id_and_how_it_stands(job: Job, server: Server) -> None:
    entry, document = stepped(job, JOB, "taken")
    assert (entry.outcome, entry.status, entry.subject_id, entry.state) == ("answered", 202, "job_1", "queued")
    assert (entry.key, entry.endpoint, entry.kind) == (JOB.key, "/jobs", "job")
    assert f"Idempotency-Key: {JOB.key}" in server.heads[-1]
    assert document["job_id"] == "job_1"
    entry, _ = stepped(job, JOB, "full")
    assert (entry.outcome, entry.subject_id, entry.state) == ("failed", None, None)


def test_who_asks_how_it_stands_has_an_id_of_its_own_and_no_key(job: Job, server: Server) -> None:
    entry, _ = stepped(job, JOB, LOOK)
    assert (entry.status, entry.subject_id, entry.state, entry.created) == (200, "job_1", "running", 1.25)
    assert (entry.request_id, entry.endpoint, entry.key) == (JOB.request_id(10_000), "/jobs/{job_id}", None)
    assert entry.cost_nano_usd is None, "what a job costs is not what it costs to look at it"
    assert server.heads[-1].startswith("GET /jobs/job_1 ")
    assert f"Bearer {CALLER.key('mark')}" in server.heads[-1]
    assert "Idempotency-Key" not in server.heads[-1]


@pytest.mark.parametrize(("decision", "status", "state"), [("approve", 202, "resuming"), ("reject", 409, None)])
def test_an_approver_decides_and_not_the_customer(
    job: Job, server: Server, decision: str, status: int, state: str | None
) -> None:
    path, endpoint = "/agent/run_1/resume", "/agent/{run_id}/resume"
    step = module.Step(1000, "POST", path, endpoint, "run_1", {"decision": decision}, "key-1", decision)
    entry, _ = stepped(replace(job, approver="demo-admin"), RUN, step)
    assert (entry.status, entry.subject_id, entry.state, entry.decision) == (status, "run_1", state, decision)
    assert entry.key == "key-1"
    assert "Bearer demo-admin" in server.heads[-1]


@pytest.mark.parametrize("approver", [None, ""])
def test_without_an_approver_nobody_decides_and_nothing_is_sent(job: Job, server: Server, approver: str | None) -> None:
    step = module.Step(1000, "POST", "/agent/run_1/resume", "/agent", "run_1", {"decision": "approve"}, "k", "approve")
    before = len(server.heads)
    with pytest.raises(NoApprover, match="GAUNTLET_LOAD_APPROVER_KEY is not set; expected the key of an admin"):
        stepped(replace(job, key="gk-mine", approver=approver), RUN, step)
    assert len(server.heads) == before
    assert lines(job.folder) == []


def test_a_generator_ends_at_once_where_somebody_must_decide_and_nobody_can(job: Job) -> None:
    """In a process of its own, as Locust changes the one it is imported in."""
    agents = job.scenario.model_copy(update={"mix": Mix(faq=0, unique=0, agent=1)})
    path = replace(job, scenario=agents).write()
    Control(epoch=time.time()).write(job.folder)
    command = [sys.executable, "-m", "locust", "-f", str(locustfile_path()), "--headless"]
    environment = {**os.environ, VARIABLE: str(path)}
    environment.pop(APPROVER_VARIABLE, None)
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "GAUNTLET_LOAD_APPROVER_KEY is not set; expected the key of an admin" in ended.stderr
    assert client.read(job.folder) is None, "something was sent"


def test_the_keys_of_others_are_not_written_down(job: Job) -> None:
    path = replace(job, key="sk-1", approver="sk-2", webhooks="http://127.0.0.1:1/webhooks").write()
    assert "sk-" not in path.read_text()
    read = Job.read(path, "sk-1", "sk-2")
    assert (read.key, read.approver, read.webhooks) == ("sk-1", "sk-2", "http://127.0.0.1:1/webhooks")


@pytest.mark.parametrize("question", ["stream", "v1 stream"])
def test_the_first_token_is_seen_when_it_comes_and_not_before(job: Job, question: str) -> None:
    """The chunk that only opens OpenAI's stream has no token in it."""
    entry, _, _ = sent(job, question)
    assert entry.first_token_ms is not None
    assert entry.first_token_ms >= PAUSE_S * 900
    assert entry.duration_ms - entry.first_token_ms >= PAUSE_S * 900


def test_times_count_from_when_it_was_due(job: Job) -> None:
    entry, _, took_s = sent(job, "stream", due_before_s=2.0)
    assert 2000 < entry.duration_ms <= (took_s + 2) * 1000
    assert entry.first_token_ms is not None
    assert entry.first_token_ms > 2000
    assert entry.ended == pytest.approx(time.time(), abs=5)


def test_nobody_listens_and_that_is_told_at_once(job: Job) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = replace(job, service=f"http://127.0.0.1:{free.getsockname()[1]}")
        entry, _, took_s = sent(nowhere, "json")
    assert (entry.outcome, entry.status) == ("lost", None)
    assert took_s < 5


def test_who_never_answers_is_given_up_after_the_longest_silence(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.3)
    entry, _, took_s = sent(job, "hang")
    assert (entry.outcome, entry.status) == ("lost", None)
    assert 0.25 < took_s < 10


@pytest.mark.parametrize(("question", "status"), [("hang", None), ("stream that hangs", 200)])
def test_what_is_given_up_is_in_the_book_as_left(job: Job, question: str, status: int | None) -> None:
    arrival = arrival_of(question)

    def given_up() -> bool:
        request = gevent.spawn(sender.send, arrival, arrival.body, time.time())
        gevent.sleep(0.3)
        request.kill()
        return bool(request.dead)

    with ClientBook(job.folder) as book:
        sender = Sender(job, book)
        assert green(given_up)
    (entry,) = lines(job.folder)
    assert (entry.outcome, entry.status, entry.request_id) == ("left", status, arrival.request_id())


def test_many_requests_of_one_caller_go_out_at_once(job: Job) -> None:
    def many() -> None:
        arrivals = [arrival_of("crowd", number) for number in range(CROWD)]
        gevent.joinall([gevent.spawn(sender.send, one, one.body, time.time()) for one in arrivals])

    with ClientBook(job.folder) as book:
        sender = Sender(job, book)
        green(many)
    entries = lines(job.folder)
    assert len({entry.request_id for entry in entries}) == CROWD
    assert {entry.outcome for entry in entries} == {"answered"}  # none is, before all are there


def test_a_request_carries_the_callers_key_and_the_arrivals_id(job: Job, server: Server) -> None:
    sent(job, "json")
    assert f"X-Request-ID: {arrival_of('json').request_id()}" in server.heads[-1]
    assert "Authorization: Bearer demo-acme1_mark-u1" in server.heads[-1]


def test_where_answers_cost_money_they_are_short_and_all_of_one_user(job: Job, server: Server) -> None:
    live = replace(job, key="gk-mine")
    for question in ("json", "completion"):
        sent(replace(live, folder=_folder(job.folder, question)), question)
        assert "Authorization: Bearer gk-mine" in server.heads[-1]
        assert server.bodies[-1].get("max_tokens") == LIVE_MAX_TOKENS


def _folder(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name
