"""A subject is measured only when its answers are right: a broken one is often the fastest."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loadtests.bench.subjects import Subject, WrongAnswerError, check, prime

PLAIN = Subject("plain", lambda _upstream: [], b'"live"')
CACHING = Subject("caching", lambda _upstream: [], b'"live"', has_cache=True)


@dataclass
class Service:
    """A chat service in a thread: `upstream_calls` for each new question; from the n-th time on, a hit."""

    hit_from: int = 2
    calls_each: int = 1
    status: int = 200
    asked: dict[str, int] = field(default_factory=dict)
    upstream_calls: int = 0

    def answer(self, text: str) -> dict[str, str]:
        self.asked[text] = self.asked.get(text, 0) + 1
        if self.asked[text] >= self.hit_from:
            return {"answer": "yes", "source": "cache"}
        self.upstream_calls += self.calls_each
        return {"answer": "yes", "source": "live"}


@contextmanager
def served(service: Service) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = json.loads(self.rfile.read(int(self.headers["content-length"])))["text"]
            body = json.dumps(service.answer(text)).encode()
            self.send_response(service.status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def checked(subject: Subject, service: Service) -> None:
    with served(service) as url:
        check(subject, url, lambda: service.upstream_calls)


def test_right_answers_pass_also_when_the_hit_comes_a_moment_later() -> None:
    checked(PLAIN, Service())
    checked(CACHING, Service(hit_from=2))
    checked(CACHING, Service(hit_from=4))


def test_two_checks_of_one_service_ask_different_questions() -> None:
    service = Service()
    checked(CACHING, service)
    checked(CACHING, service)


def test_a_service_that_asks_nobody_or_asks_twice_is_refused() -> None:
    with pytest.raises(WrongAnswerError, match="with 0 upstream calls, not 1"):
        checked(PLAIN, Service(calls_each=0))
    with pytest.raises(WrongAnswerError, match="with 2 upstream calls, not 1"):
        checked(PLAIN, Service(calls_each=2))


def test_an_error_or_an_answer_without_the_marker_is_refused() -> None:
    with pytest.raises(WrongAnswerError, match=r'expected to answer 200 with "live", but: 503'):
        checked(PLAIN, Service(status=503))
    with pytest.raises(WrongAnswerError, match="but: 200"):
        checked(PLAIN, Service(hit_from=1))


def test_a_cache_that_never_hits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.bench.subjects.CACHED_WITHIN_S", 0.1)
    service = Service(hit_from=10_000)
    with served(service) as url, pytest.raises(WrongAnswerError, match="when asked it again"):
        prime(CACHING, url, "why?")
