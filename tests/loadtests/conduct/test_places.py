"""Load goes to this machine only, and costs real money only where somebody said how much."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from loadtests.books.errors import CannotJudge
from loadtests.conduct import Refused
from loadtests.conduct.places import check_loopback, check_spending, profile_of


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://127.9.9.9:1", "http://[::1]:8000/base"]
)
def test_this_machine_is_loaded(url: str) -> None:
    check_loopback(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://192.0.2.7:8000", "another machine; load goes to this one only"),
        ("http://8.8.8.8", "another machine"),
        ("http://0.0.0.0:8000", "another machine"),
        ("http://[2001:db8::1]:8000", "another machine"),
        ("http://127.0.0.1@192.0.2.7:8000", "another machine"),
        ("http://no-such-host.invalid:8000", "the host is not known"),
        ("127.0.0.1:8000", "the host is not known"),
        ("", "the host is not known"),
        ("http://[::1", "the host is not known"),
        ("http://a..b/", "the host is not known"),
    ],
)
def test_every_other_machine_is_refused(url: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        check_loopback(url)


Serving = Callable[[int, Any], Any]


@contextmanager
def ready(status: int, document: Any) -> Iterator[str]:
    """A service whose GET /ready answers that."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("document", "profile"),
    [
        ({"status": "ready", "profile": "workbench"}, "workbench"),
        ({"profile": "bench"}, "bench"),
        ({"profile": "live"}, "live"),
        ({"status": "ready"}, "live"),
        ({"profile": None}, "live"),
        ({"profile": ""}, "live"),
        ({"profile": ["workbench"]}, "live"),
        (["workbench"], "live"),
    ],
)
def test_a_service_that_does_not_tell_its_profile_counts_as_live(document: Any, profile: str) -> None:
    with ready(200, document) as url:
        assert profile_of(url) == profile


def test_a_service_without_its_store_is_not_ready_to_be_judged() -> None:
    with ready(503, {"status": "unavailable"}) as url, pytest.raises(CannotJudge, match="store is away"):
        profile_of(url)


def test_a_service_that_is_away_is_told() -> None:
    with pytest.raises(CannotJudge, match="does not answer"):
        profile_of("http://127.0.0.1:1")


def test_the_live_profile_wants_a_limit_and_a_key() -> None:
    with pytest.raises(Refused, match="--max-usd"):
        check_spending("live", None, "key", "load")
    with pytest.raises(Refused, match="GAUNTLET_LOAD_KEY"):
        check_spending("live", 1.0, None, "load")
    with pytest.raises(Refused, match="GAUNTLET_LOAD_KEY"):
        check_spending("live", 1.0, "", "load")
    check_spending("live", 1.0, "key", "load")
    for profile in ("workbench", "bench"):
        check_spending(profile, None, None, "load")
