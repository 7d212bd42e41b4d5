"""What runs, seen from outside: the running `up`, its processes, and what is said when it is gone."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from door import processes, running, state
from door.errors import DoorError
from tests.door.cli import Up, eventually, gauntlet, lives

Start = Callable[..., Up]


def test_the_running_up_is_seen_with_its_addresses_its_store_and_its_workers(workbench: Up) -> None:
    lab = running.lab(workbench.env)
    assert lab is not None
    assert lab.urls == workbench.urls
    assert lab.store_pid() == workbench.parts["valkey"]
    later = lab.queue_worker_pid()
    assert later in workbench.pids - {workbench.parts["worker"]}
    workers = lab.worker_pids()
    assert len(workers) == 2
    assert later not in workers
    assert set(workers) < workbench.pids
    assert lab.failure is None


def test_while_nothing_is_up_or_only_half_of_it_there_is_no_lab(tmp_path: Path) -> None:
    environ = {"GAUNTLET_HOME": str(tmp_path)}
    assert running.lab(environ) is None
    me = processes.name_of("up", os.getpid())
    state.write(tmp_path, state.UpState(me))
    assert running.lab(environ) is None
    state.write(tmp_path, state.UpState(me, ready=True))
    assert running.lab(environ) is not None
    state.write(tmp_path, state.UpState(state.ProcessName("up", os.getpid(), me.started_s - 100), ready=True))
    assert running.lab(environ) is None


def test_a_lab_whose_up_has_ended_says_so_and_has_no_processes(start: Start) -> None:
    up = start().ready()
    lab = running.lab(up.env)
    assert lab is not None
    old = lab.store_pid()
    assert old is not None
    os.kill(old, signal.SIGKILL)
    eventually(lambda: not lives(old), "Valkey is dead")
    assert lab.store_pid() is None, "it rests"
    eventually(lambda: lab.store_pid() not in (None, old), "it is back")
    up.end()
    assert isinstance(lab.failure, DoorError)
    assert (lab.store_pid(), lab.worker_pids(), lab.queue_worker_pid()) == (None, [], None)


def test_down_does_not_end_the_process_that_runs_a_workbench_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path))
    state.write(tmp_path, state.UpState(processes.name_of(running.WORKBENCH, os.getpid()), ready=True))
    refused = gauntlet("down", env=dict(os.environ))
    assert refused.returncode == 1
    assert f"a workbench of pid {os.getpid()} runs in" in refused.stderr
