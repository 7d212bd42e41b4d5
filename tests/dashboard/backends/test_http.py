"""One backend over HTTP: who refuses is quoted, who is gone or hangs is away, and is left alone for a while."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dashboard.backends.http import LONGEST_REST_S, REST_S, Away, Backend, Refused
from dashboard.backends.service import Service
from tests.dashboard.conftest import NOWHERE


class Clock:
    """Monotonic time that a test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


class Answering:
    """Answers every connection with these bytes, or with none at all; counts them."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.asked = 0
        self._held: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.asked += 1
            self._held.append(connection)
            if self.answer is not None:
                connection.recv(65_536)
                connection.sendall(self.answer)
                connection.close()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        for connection in (*self._held, self._listener):
            connection.close()


@contextmanager
def answering(status: int | None, body: bytes = b"") -> Iterator[Answering]:
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
    server = Answering(None if status is None else head + body)
    try:
        yield server
    finally:
        server.end()


def test_json_is_given_as_it_is() -> None:
    with answering(200, b'{"a": [1]}') as server:
        assert Backend("service", server.url).ask("GET", "/x", query={"q": "a b"}) == {"a": [1]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"title": "No", "detail": "not this key"}', "not this key"),
        (b'{"error": {"message": "no such model"}}', "no such model"),
        (b"<html>", "status 403"),
        (b"[]", "status 403"),
    ],
)
def test_who_refuses_is_quoted(body: bytes, words: str) -> None:
    with answering(403, body) as server, pytest.raises(Refused, match=words) as refused:
        Backend("service", server.url).ask("POST", "/x", {})
    assert refused.value.status == 403


def test_a_status_that_was_expected_is_no_refusal() -> None:
    with answering(503, b"{}") as server:
        assert Backend("service", server.url).ask("GET", "/ready", also=(503,)) == {}


def test_who_is_gone_is_away_with_where_and_why() -> None:
    with pytest.raises(Away, match=r"the simulator does not answer at http://127.0.0.1:9 \(connection refused\)"):
        Backend("simulator", NOWHERE).ask("GET", "/x")


def test_what_is_no_json_is_no_answer() -> None:
    with answering(200, b"<html>") as server, pytest.raises(Away, match="no JSON"):
        Backend("service", server.url).ask("GET", "/x")


def test_who_hangs_is_left_alone_longer_each_time() -> None:
    clock = Clock()
    with answering(None) as server:
        backend = Backend("service", server.url, clock)
        rest_s, asked = REST_S, 0
        while rest_s < LONGEST_REST_S:
            with pytest.raises(Away, match="takes too long"):
                backend.ask("GET", "/x", read_s=0.1)
            asked += 1
            clock.at += rest_s - 0.1
            with pytest.raises(Away, match="hung a moment ago"):
                backend.ask("GET", "/x", read_s=0.1)
            assert server.asked == asked
            clock.at += 0.2
            rest_s *= 2


def test_those_that_hang_together_count_once() -> None:
    clock = Clock()
    with answering(None) as server:
        backend = Backend("collector", server.url, clock)

        def ask() -> None:
            with pytest.raises(Away):
                backend.ask("GET", "/x", read_s=0.3)

        asking = [threading.Thread(target=ask) for _ in range(6)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        clock.at += REST_S + 0.1
        with pytest.raises(Away, match="takes too long"):
            backend.ask("GET", "/x", read_s=0.1)


def test_a_chat_that_is_silent_says_nothing_of_the_service() -> None:
    with answering(None) as server:
        backend = Backend("service", server.url)
        with pytest.raises(Away):
            backend.response("POST", "/chat", {}, read_s=0.1, patient=True)
        with pytest.raises(Away, match="takes too long"):
            backend.ask("GET", "/x", read_s=0.1)


@pytest.mark.parametrize("key", ["\u201cabc\u201d", "a\nb"])
def test_a_key_that_can_be_none_is_refused_here(key: str) -> None:
    with pytest.raises(Refused, match="ASCII"):
        Service("service", NOWHERE).stages(key)
