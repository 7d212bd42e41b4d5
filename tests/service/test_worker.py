"""The worker process and who keeps it: without Redis, without work, killed, told to end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ..process import Worker, forked_by
from ..root import ROOT
from ..waiting import wait_for

NOWHERE = {"REDIS_URL": "redis://127.0.0.1:1/0", "OTEL_SDK_DISABLED": "true"}
COMMAND = [sys.executable, "-m", "service.worker"]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One that has no Redis: no reason not to start."""
    process = Worker("worker", COMMAND, NOWHERE, tmp_path_factory.mktemp("worker"))
    told = process.ready()
    assert told == {"ready": True, "pid": process.popen.pid, "worker": process.pid}
    yield process
    process.end()


def test_a_worker_that_is_killed_is_followed_by_another(worker: Worker) -> None:
    first = worker.pid
    worker.kill()
    wait_for(lambda: forked_by(worker.popen.pid) not in ([], [first]), "another worker")
    assert worker.popen.poll() is None


def test_no_worker_outlives_its_keeper(tmp_path: Path) -> None:
    worker = Worker("worker", COMMAND, NOWHERE, tmp_path)
    worker.ready()
    child = psutil.Process(worker.pid)
    os.kill(worker.popen.pid, signal.SIGKILL)
    worker.popen.wait()
    wait_for(lambda: not child.is_running(), "the worker to end", within_s=15)
    worker.end()


def test_at_sigterm_both_end_in_order(worker: Worker) -> None:
    child = psutil.Process(worker.pid)
    worker.popen.terminate()
    assert worker.popen.wait(15) == 0
    assert not child.is_running(), "the keeper waits for the worker"


@pytest.mark.parametrize(
    ("env", "code", "complaint"),
    [
        ({"GAUNTLET_QUEUE__REDELIVER_S": "0"}, 2, "queue.redeliver_s"),
        ({"GAUNTLET_PROFILE": "live"}, 2, "live profile"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_told(env: dict[str, str], code: int, complaint: str) -> None:
    ended = subprocess.run(
        COMMAND, cwd=ROOT, env={**os.environ, **NOWHERE, **env}, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, complaint in ended.stderr) == (code, True), ended.stderr
