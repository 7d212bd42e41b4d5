"""`gauntlet audit`: our own service proves all ten; what is refused, how it is stopped, what it writes and keeps."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dashboard.checklist.audit import newest
from door import audit, parts
from door.home import ROOT
from door.workbench import Workbench, workbench
from loadtests.books import wire
from tests.process import Process

ADMIN = {"Authorization": "Bearer demo-admin"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """In a home of its own, where it is found as the running `up` is."""
    with workbench(home=tmp_path_factory.mktemp("audit") / "home") as started:
        yield started


@pytest.fixture
def replica(lab: Workbench, tmp_path: Path) -> Iterator[str]:
    """A second service on the same store."""
    command = [sys.executable, "-m", "service", "--port", "0", "--workers", "1"]
    process = Process("replica", command, parts.service_environment(lab.plan), tmp_path)
    yield str(process.ready()["url"])
    process.end()


@pytest.fixture
def begin() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command; what still runs is ended."""
    begun: list[subprocess.Popen[str]] = []

    def start(home: Path, *words: str) -> subprocess.Popen[str]:
        env = {**os.environ, "GAUNTLET_HOME": str(home), "COLUMNS": "120"}
        command = [sys.executable, "-m", "gauntlet", "audit", *words]
        pipe = subprocess.PIPE
        begun.append(subprocess.Popen(command, cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True))
        return begun[-1]

    yield start
    for process in begun:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)


PATIENT = """[bounds]
answer_within_s = 90
settle_s = 60
recover_s = 120
"""
"""For a machine three times slower: nothing here waits so long where all is well."""


@pytest.mark.alone
@pytest.mark.timeout(400)
def test_our_service_proves_all_ten_and_is_left_as_it_was(
    lab: Workbench, replica: str, begin: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    told, table, shape = tmp_path / "audit.json", tmp_path / "audit.md", tmp_path / "patient.toml"
    shape.write_text(PATIENT)
    words = ["--shape", str(shape), "--replica", replica, "--json", str(told), "--markdown", str(table)]
    process = begin(lab.home, *words)
    output, errors = process.communicate(timeout=360)
    assert process.returncode == 0, output + errors
    report = json.loads(told.read_bytes())
    assert [(row["number"], row["verdict"]) for row in report["items"]] == [(n, "proved") for n in range(1, 11)]
    assert report["exit_code"] == 0
    assert f"At the replica {replica}" in report["items"][4]["claims"][0]["words"]
    assert "10 proved, 0 refuted, 0 unobservable" in output
    assert sum("| PROVED |" in line for line in table.read_text().splitlines()) == 10
    kept = newest(lab.home / audit.AUDITS)
    assert kept is not None
    assert kept.service == lab.urls["service"]
    assert wire.get("the simulator", lab.urls["simulator"], "/sim/state")["active"] == []
    circuits = wire.ask("the service", lab.urls["service"], "GET", "/admin/breakers", headers=ADMIN)["breakers"]
    assert {row["state"] for row in circuits} == {"closed"}


def test_a_signal_stops_it_and_nothing_stays_broken(
    lab: Workbench, begin: Callable[..., subprocess.Popen[str]]
) -> None:
    process = begin(lab.home, "--only", "1")
    _eventually(lambda: _broken(lab))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; nothing stays broken" in errors
    assert _broken(lab) == []


def test_ctrl_c_lets_a_paused_store_go_on(lab: Workbench, begin: Callable[..., subprocess.Popen[str]]) -> None:
    pid = lab.store_pid()
    assert pid is not None
    store = psutil.Process(pid)
    process = begin(lab.home, "--only", "8")
    _eventually(lambda: store.status() == psutil.STATUS_STOPPED)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert store.status() != psutil.STATUS_STOPPED


def test_what_somebody_else_broke_is_not_judged(
    lab: Workbench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAUNTLET_HOME", str(lab.home))
    fault = {"target": "openai", "fault": "hang", "for_s": 60}
    wire.ask("the simulator", lab.urls["simulator"], "POST", "/sim/faults", fault)
    try:
        assert audit.run(["--only", "6"]) == 2
    finally:
        wire.ask("the simulator", lab.urls["simulator"], "DELETE", "/sim/faults")
    assert "has faults already (openai: hang)" in capsys.readouterr().err


def test_where_no_up_runs_a_private_workbench_is_audited(
    tmp_path: Path, begin: Callable[..., subprocess.Popen[str]]
) -> None:
    process = begin(tmp_path, "--only", "4", "--json", "-")
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 0, output + errors
    assert [row["verdict"] for row in json.loads(output)["items"]] == ["proved"]
    assert newest(tmp_path / audit.AUDITS) is not None


class Stranger(http.server.BaseHTTPRequestHandler):
    """A chat endpoint without /ready, as anybody's may be."""

    def do_GET(self) -> None:
        self._answer(404, {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {"answer": "Perhaps."})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def stranger() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def quietly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command in this process and an empty folder: its exit code, and what it said on standard error."""
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        return audit.run(words), capsys.readouterr().err

    return run


def test_who_does_not_say_that_it_is_free_needs_consent(stranger: str, quietly: Any) -> None:
    code, errors = quietly(stranger)
    assert code == 2
    assert "--max-usd" in errors
    assert 'profile = "workbench"' in errors


def test_what_may_be_spent_is_not_passed(stranger: str, quietly: Any, tmp_path: Path) -> None:
    assert "not even one question" in quietly(stranger, "--max-usd", "0.01")[1]
    code, _ = quietly(stranger, "--max-usd", "0.11", "--only", "3", "--json", "a.json")
    report = json.loads((tmp_path / "a.json").read_bytes())
    assert code == 2
    assert report["items"][0]["needs"] == ["--max-usd"]
    assert report["notes"] == ["$0.1000 of $0.11 were spent on 5 questions."]


def test_only_this_machine_is_loaded(quietly: Any) -> None:
    code, errors = quietly("http://192.0.2.1:8000")
    assert (code, "load goes to this one only" in errors) == (2, True)


def test_a_service_that_is_away_is_not_judged(quietly: Any) -> None:
    code, errors = quietly("http://127.0.0.1:9")
    assert (code, "does not answer" in errors) == (2, True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "127.0.0.1:8000", "http://[::1"])
def test_what_is_no_url_is_said(quietly: Any, url: str) -> None:
    code, errors = quietly(url)
    assert code == 2
    assert url in errors


def test_a_service_is_no_replica_of_itself(quietly: Any) -> None:
    code, errors = quietly("http://127.0.0.1:9/", "--replica", "http://localhost:9")
    assert (code, "no replica of itself" in errors) == (2, True)


def test_a_file_with_a_wrong_line_says_which(quietly: Any, tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text('[chat]\npaht = "/chat"\n')
    code, errors = quietly("http://127.0.0.1:9")
    assert (code, "audit.toml: chat.paht" in errors) == (2, True)


def test_a_password_in_a_url_is_in_no_report() -> None:
    assert audit._unsecret("http://user:secret@127.0.0.1:9000") == "http://127.0.0.1:9000"
    assert audit._unsecret("--json") == "--json"


def test_a_wrong_number_is_refused_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        audit.run(["--only", "11"])
    assert "expected numbers from 1 to 10" in capsys.readouterr().err


def test_the_example_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.run(["--example"]) == 0
    assert "[chat]" in capsys.readouterr().out


def _broken(lab: Workbench) -> list[Any]:
    active: list[Any] = wire.get("the simulator", lab.urls["simulator"], "/sim/state")["active"]
    return active


def _eventually(true: Callable[[], object], within_s: float = 60.0) -> None:
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
