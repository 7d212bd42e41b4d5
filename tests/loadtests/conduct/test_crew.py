"""The generator's processes start, say why when they cannot, and are all gone at the end, however it comes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from loadtests.books.errors import CannotJudge
from loadtests.conduct import crew as module
from loadtests.conduct.crew import LOG, Crew
from loadtests.load.job import Control, ControlReader, Job
from tests.loadtests.small import scenario

ROOT = Path(__file__).resolve().parents[3]
NOWHERE = "http://127.0.0.1:1"


def job_in(folder: Path, processes: int = 1) -> Job:
    Control().write(folder)
    return Job(folder, scenario(), 7, "mark", NOWHERE, processes)


def all_gone(pids: Sequence[int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)


def until(true: Callable[[], bool], what: str, within_s: float = 30) -> None:
    end_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end_s, f"waited {within_s} s in vain for {what}"
        time.sleep(0.02)


def test_all_processes_are_there_when_it_has_started_and_gone_when_it_has_ended(tmp_path: Path) -> None:
    crew = Crew(job_in(tmp_path, processes=2))
    try:
        crew.start()
        crew.check()
        pids = [process.pid for process in crew._started]
        assert len(pids) == 3, "Locust's master, and two who send"
        assert sorted(crew.beats.read()) == [0, 1]
    finally:
        crew.end()
    assert all_gone(pids)
    assert ControlReader(tmp_path).now().stop, "whoever is not gone at once sends nothing any more"


def test_one_that_cannot_start_says_why_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "locustfile.py"
    broken.write_text('raise RuntimeError("there is no load today")\n')
    monkeypatch.setattr(module, "locustfile_path", lambda: broken)
    crew = Crew(job_in(tmp_path))
    try:
        with pytest.raises(CannotJudge, match=r"ended with exit code [1-9]") as raised:
            crew.start()
    finally:
        crew.end()
    assert "there is no load today" in str(raised.value)
    assert str(tmp_path / LOG) in str(raised.value)
    assert all_gone([process.pid for process in crew._started])


def test_one_that_is_never_ready_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    idle = tmp_path / "locustfile.py"
    idle.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(module, "locustfile_path", lambda: idle)
    monkeypatch.setattr(module, "READY_WITHIN_S", 0.5)
    crew = Crew(job_in(tmp_path))
    try:
        with pytest.raises(CannotJudge, match=r"not ready within 0\.5 s"):
            crew.start()
    finally:
        crew.end()
    assert all_gone([process.pid for process in crew._started])


STARTER = """
import json, sys, time
from pathlib import Path
from tests.loadtests.conduct.test_crew import job_in
from loadtests.conduct.crew import Crew
crew = Crew(job_in(Path(sys.argv[1]), processes=2))
crew.start()
print(json.dumps([process.pid for process in crew._started]), flush=True)
time.sleep(120)
"""


def test_nothing_is_left_when_whoever_started_them_is_killed_with_minus_9(tmp_path: Path) -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert starter.stdout is not None
    with starter.stdout:
        pids: list[int] = json.loads(starter.stdout.readline())
    assert len(pids) == 3
    assert not any(all_gone([pid]) for pid in pids)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    until(lambda: all_gone(pids), "the generator to be gone")
