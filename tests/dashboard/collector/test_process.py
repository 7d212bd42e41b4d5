"""The promises of the process: what it accepted survives; what it cannot take, or why it does not start, it says."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from dashboard.collector.store import ASIDE, FILE
from tests.collector import Collector
from tests.dashboard.collector.making import record, told, traces
from tests.dashboard.collector.sending import PROTOBUF, post, send, status_in
from tests.root import ROOT
from tests.waiting import wait_for

Start = Callable[..., Collector]
LIMITED = (
    "import os, resource, sys;"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY));"
    "os.execv(sys.argv[2], sys.argv[2:])"
)
"""Runs a command that cannot write a file larger than its first argument says: as if the disk were full."""


def rows(collector: Collector) -> int:
    (row,) = collector.sql("SELECT count(*) AS n FROM spans")
    count: int = row["n"]
    return count


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_orderly_end_loses_nothing_that_was_accepted(start_collector: Start, number: signal.Signals) -> None:
    collector = start_collector()
    accepted: list[int] = []

    def load() -> None:
        while True:
            try:
                accepted.append(send(collector, traces({}, {})))
            except OSError:
                return

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(accepted) > 100, "a load", within_s=30)
    collector.popen.send_signal(number)
    for thread in threads:
        thread.join()
    assert collector.popen.wait(30) == 0, collector.log
    assert rows(start_collector()) >= 2 * accepted.count(200)


def test_a_kill_loses_nothing_that_was_committed_and_the_next_one_starts(start_collector: Start) -> None:
    collector = start_collector()
    given = record()
    assert send(collector, traces(*[{}] * 500)) == 200
    assert send(collector, told(given)) == 200
    wait_for(lambda: rows(collector) == 500, "the commit", within_s=5)
    collector.kill()
    again = start_collector()
    assert rows(again) == 500
    assert send(again, told(given)) == 200  # nobody told the sender that it had arrived
    assert send(again, traces({})) == 200
    wait_for(lambda: rows(again) == 501, "the row after it", within_s=5)
    assert len(again.sql("SELECT * FROM requests")) == 1
    assert again.log == ""


def test_what_was_accepted_is_committed_within_a_second(start_collector: Start) -> None:
    collector = start_collector()
    send(collector, traces({}))
    wait_for(lambda: rows(collector) == 1, "a commit", within_s=1.5)


def test_a_stopped_collector_takes_what_was_sent_once_it_goes_on(start_collector: Start) -> None:
    collector = start_collector()
    collector.stop()
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(send(collector, traces({}))))
    thread.start()
    collector.go_on()
    thread.join()
    assert answers == [200]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux changes another process's limits")
def test_a_full_disk_is_refused_with_retry_after_and_what_was_accepted_is_kept_for_later(
    start_collector: Start,
) -> None:
    limit = 2**20
    wrapper = (sys.executable, "-c", LIMITED, str(limit))
    collector = start_collector("--buffer-mib", "1", wrapper=wrapper)
    sent = 0
    while True:
        spans = traces(*({"attributes": {"noise": os.urandom(300).hex()}} for _ in range(200)))
        status, body, headers = post(collector, "/v1/traces", spans.SerializeToString())
        if status == 200:
            sent += 200
            assert sent < 100_000
            continue
        assert (status, headers["retry-after"], headers["content-type"]) == (503, "1", PROTOBUF)
        assert status_in(body)["code"] == 14
        said = status_in(body)["message"]
        if said != "not now: more has come than the disk could take so far":  # as it is until the first commit fails
            break
    assert "not now: cannot commit" in said
    assert collector.get("/health")[0] == 200
    assert "cannot commit" in collector.get("/status")[1]["failure"]
    psutil.Process(collector.popen.pid).rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_for(lambda: rows(collector) == sent, "everything that was accepted", within_s=20)
    assert send(collector, traces({})) == 200
    assert collector.get("/status")[1]["lost"] == {}


def refused(*flags: str) -> str:
    """What a collector that does not start says on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "dashboard.collector", *flags],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_port_that_is_taken_is_told_and_no_data_are_touched(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        said = refused("--port", str(number), "--data", str(tmp_path / "data"))
    assert f"port 127.0.0.1:{number} is taken" in said
    assert "GAUNTLET_COLLECTOR_PORT" in said
    assert not (tmp_path / "data").exists()


def test_data_that_another_collector_has_are_told(start_collector: Start) -> None:
    collector = start_collector()
    said = refused("--port", "0", "--data", str(collector.folder))
    assert f"PID {collector.popen.pid}" in said
    assert collector.get("/health")[0] == 200


@pytest.mark.parametrize(
    ("flag", "given", "why"),
    [
        ("--port", "http", "a port from 0 (any free one) to 65535"),
        ("--port", "70000", "a port from 0 (any free one) to 65535"),
        ("--host", "no.such.address.invalid", "cannot be bound"),
        ("--retention-hours", "0", "a number above 0"),
        ("--memory-mib", "lots", "a number above 0"),
        ("--threads", "0", "a number from 1 to 256"),
    ],
)
def test_a_wrong_setting_is_told(tmp_path: Path, flag: str, given: str, why: str) -> None:
    assert why in refused("--port", "0", "--data", str(tmp_path), flag, given)


def test_a_file_that_is_no_database_is_moved_aside_and_told_once(start_collector: Start, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / FILE).write_bytes(b"no database")
    collector = start_collector()
    assert f"{FILE} cannot be read and is now {ASIDE}" in collector.log
    assert send(collector, traces({})) == 200
    assert collector.end() == 0
    (data / "collector.log").unlink()
    assert rows(start_collector()) == 1
