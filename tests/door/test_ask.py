"""`gauntlet ask`: the answer and its path, fit for 80 columns; one clear line when something is in the way."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.door.cli import Up, environment, gauntlet

STAGES = ("cache", "rate_limit", "fallback", "retry", "breaker", "bulkhead", "call")


def test_ask_prints_the_answer_and_each_stage_in_its_order(workbench: Up) -> None:
    asked = gauntlet("ask", "why do retries need jitter?", env=workbench.env)
    assert asked.returncode == 0, asked.stderr
    lines = asked.stdout.splitlines()
    first = [line.split()[0] for line in lines if line.strip()]
    places = [first.index(stage) for stage in STAGES]
    assert places == sorted(places)
    for name in ("source", "model", "tokens", "cost", "degraded", "request"):
        assert name in first


def test_nothing_is_wider_than_80_columns(workbench: Up) -> None:
    asked = gauntlet("ask", "what does a circuit breaker do?", env={**workbench.env, "COLUMNS": "80"})
    assert asked.returncode == 0, asked.stderr
    assert max(map(len, asked.stdout.splitlines())) <= 80


def test_json_gives_the_body_as_it_came(workbench: Up) -> None:
    asked = gauntlet("ask", "what is a bulkhead?", "--json", env=workbench.env)
    body = json.loads(asked.stdout)
    assert {step["stage"] for step in body["path"]} >= {"cache", "call"}


def test_another_key_and_a_route_are_sent_along(workbench: Up) -> None:
    asked = gauntlet("ask", "what is a deadline?", "--key", "demo-bob", "--route", "economy", env=workbench.env)
    assert asked.returncode == 0, asked.stderr


def test_a_wrong_key_is_told_with_the_services_words_and_the_request_id(workbench: Up) -> None:
    refused = gauntlet("ask", "hello?", "--key", "nobody", env=workbench.env)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "gauntlet ask: 401 " in refused.stderr
    assert "request " in refused.stderr


def test_with_the_service_down_one_line_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        number = str(closed.getsockname()[1])
        refused = gauntlet("ask", "hello?", env=environment(tmp_path, GAUNTLET_SERVICE_PORT=number))
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert f"no service answers at http://127.0.0.1:{number}" in refused.stderr
    assert "make up" in refused.stderr


def test_an_answer_that_is_no_json_is_told(tmp_path: Path) -> None:
    with _stranger(b"<html>I am another server</html>") as url:
        refused = gauntlet("ask", "hello?", "--url", url, env=environment(tmp_path))
    assert refused.returncode == 1
    assert "the body is no JSON: b'<html>I am" in refused.stderr


def test_a_model_without_a_known_price_does_not_look_free(tmp_path: Path) -> None:
    body = {"answer": "yes", "source": "live", "degraded": ["why"], "cost_usd": None, "request_id": "r"}
    with _stranger(json.dumps(body).encode()) as url:
        asked = gauntlet("ask", "hello?", "--url", url, env=environment(tmp_path))
    assert "no known price" in asked.stdout
    assert "$" not in asked.stdout


def test_what_an_answer_cites_is_named_with_its_source(tmp_path: Path) -> None:
    cited = [{"n": 2, "title": "Retries › Budgets", "source": "handbook/04-retries.md", "anchor": "budgets"}]
    body = {"answer": "A tenth. [2]", "citations": cited, "source": "live", "degraded": [], "cost_usd": 0.1}
    with _stranger(json.dumps({**body, "request_id": "r"}).encode()) as url:
        asked = gauntlet("ask", "hello?", "--url", url, env=environment(tmp_path, COLUMNS="80"))
    assert asked.stdout.startswith("A tenth. [2]\n\n[2] Retries › Budgets  handbook/04-retries.md\n\nstage")


def test_an_answer_that_is_no_object_is_told(tmp_path: Path) -> None:
    with _stranger(b"[]") as url:
        refused = gauntlet("ask", "hello?", "--url", url, env=environment(tmp_path))
    assert refused.returncode == 1
    assert "no JSON object: b'[]'" in refused.stderr


def test_a_url_that_is_none_is_refused(tmp_path: Path) -> None:
    refused = gauntlet("ask", "hello?", "--url", "ftp://127.0.0.1", env=environment(tmp_path))
    assert refused.returncode == 2
    assert "it looks like http://" in refused.stderr


@pytest.mark.parametrize(
    ("flag", "given"),
    [("--url", "http://127.0.0.1:99999"), ("--url", "http://[::1"), ("--key", "é—"), ("--key", "a\nb"), ("--key", "")],
)
def test_a_flag_that_cannot_be_used_is_told_in_a_line(tmp_path: Path, flag: str, given: str) -> None:
    refused = gauntlet("ask", "hello?", flag, given, env=environment(tmp_path))
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert flag in refused.stderr


@contextmanager
def _stranger(body: bytes) -> Iterator[str]:
    """An HTTP server that is not ours."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        thread.join()
