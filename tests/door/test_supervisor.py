"""The supervisor with small parts of its own: order, readiness, a part that dies, one that will not end."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from door.part import Part, PartFailed, Running
from door.supervisor import Supervisor
from tests.door.cli import lives

SERVES = "import signal; print('{\"ready\": true}', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(15, signal.SIG_IGN); print('{\"ready\": true}', flush=True)\nwhile 1: signal.pause()"
)
WITH_CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])\n{SERVES}"

Make = Callable[..., Supervisor]


def part(name: str, code: str, **more: object) -> Part:
    return Part(name, (sys.executable, "-c", code), **more)  # type: ignore[arg-type]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Make]:
    made: list[Supervisor] = []

    def make(*parts: Part, interrupted: Callable[[], bool] = lambda: False, **more: Any) -> Supervisor:
        made.append(Supervisor(parts, tmp_path, interrupted, **more))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()


def test_a_part_starts_only_when_those_that_it_needs_are_ready(supervise: Make) -> None:
    heard: list[tuple[str, bool]] = []
    supervisor = supervise(
        part("late", SERVES, needs=("early",)),
        part("early", SERVES),
        changed=lambda running: heard.append((running.part.name, running.ready_after_s is not None)),
    )
    assert supervisor.start()
    assert heard == [("early", False), ("early", True), ("late", False), ("late", True)]


def test_readiness_is_looked_for_in_the_log_of_this_run_only(supervise: Make, tmp_path: Path) -> None:
    (tmp_path / "one.log").write_text('{"ready": true}\n')
    supervisor = supervise(part("one", "import time; time.sleep(60)", start_s=0.3))
    with pytest.raises(PartFailed, match=r"one was not ready within 0\.3 s; it wrote nothing"):
        supervisor.start()
    assert (tmp_path / "one.log.1").read_text() == '{"ready": true}\n'


def test_a_part_may_say_in_its_own_words_that_it_is_ready(supervise: Make) -> None:
    code = "import signal; print('open for business', flush=True); signal.pause()"
    assert supervise(part("shop", code, ready=re.compile(rb"open for"))).start()


def test_a_part_that_ends_before_it_is_ready_is_told_with_code_and_last_lines(supervise: Make) -> None:
    supervisor = supervise(part("good", SERVES), part("bad", "import sys; print('no such key'); sys.exit(2)"))
    with pytest.raises(PartFailed, match=r"bad ended with exit code 2 before it was ready(.|\n)*\| no such key"):
        supervisor.start()


def test_a_program_that_is_not_there_is_told(supervise: Make) -> None:
    with pytest.raises(PartFailed, match=r"ghost cannot be started: .*No such file"):
        supervise(Part("ghost", ("/nowhere/ghost",))).start()


def test_a_part_that_dies_later_is_told_with_its_signal(supervise: Make) -> None:
    supervisor = supervise(part("good", SERVES), part("bad", SERVES))
    assert supervisor.start()
    os.kill(supervisor.running[1].process.pid, signal.SIGSEGV)
    with pytest.raises(PartFailed, match="bad was killed by SIGSEGV by itself"):
        supervisor.watch()


def test_an_interrupt_during_the_start_ends_what_was_started(supervise: Make) -> None:
    heard: list[Running] = []
    slow = part("slow", "import time; time.sleep(60)")
    supervisor = supervise(slow, interrupted=lambda: bool(heard), changed=heard.append)
    assert not supervisor.start()
    assert supervisor.stop() == []
    assert not lives(supervisor.running[0].process.pid)


def test_a_part_that_ignores_term_is_killed_after_its_bound_and_named(supervise: Make) -> None:
    supervisor = supervise(part("stubborn", STUBBORN, stop_s=0.3), part("good", SERVES))
    assert supervisor.start()
    assert supervisor.stop() == ["stubborn"]
    assert not any(lives(running.process.pid) for running in supervisor.running)


def test_the_children_of_a_part_that_died_are_ended_too(supervise: Make) -> None:
    supervisor = supervise(part("parent", WITH_CHILD, stop_s=0.3))
    assert supervisor.start()
    leader = supervisor.running[0].name
    (child,) = _children(leader.pid)
    os.kill(leader.pid, signal.SIGKILL)
    with pytest.raises(PartFailed, match="SIGKILL"):
        supervisor.watch()
    assert lives(child)
    supervisor.stop()
    assert not lives(child)


def test_a_part_hears_nothing_of_the_terminals_ctrl_c(supervise: Make) -> None:
    supervisor = supervise(part("one", SERVES))
    assert supervisor.start()
    assert os.getsid(supervisor.running[0].process.pid) != os.getsid(0)


def test_a_part_that_was_paused_is_ended_in_order_too(supervise: Make) -> None:
    supervisor = supervise(part("paused", SERVES))
    assert supervisor.start()
    os.kill(supervisor.running[0].process.pid, signal.SIGSTOP)
    assert supervisor.stop() == []


def _children(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children()]


def test_a_part_that_may_is_started_again_and_the_others_never_notice(supervise: Make) -> None:
    told: list[str] = []
    supervisor: Supervisor

    def is_back() -> bool:
        return bool(told) and supervisor.running[1].ready_after_s is not None

    supervisor = supervise(
        part("good", SERVES),
        part("watcher", SERVES, restarts=1),
        interrupted=is_back,
        revives=lambda part, failure: told.append(f"{part.name}: {failure}"),
    )
    assert supervisor.start()
    good, watcher = (running.process.pid for running in supervisor.running)
    os.kill(watcher, signal.SIGKILL)
    supervisor.watch()
    assert len(told) == 1
    assert told[0].startswith("watcher: watcher was killed by SIGKILL by itself")
    assert supervisor.running[1].process.pid != watcher
    assert (supervisor.running[0].process.pid, lives(good)) == (good, True)
    os.kill(supervisor.running[1].process.pid, signal.SIGKILL)
    told.clear()
    with pytest.raises(PartFailed, match="watcher was killed"):
        supervisor.watch()


REST_S = 0.5


def test_a_part_that_rests_comes_back_after_its_rest_and_the_others_are_watched_meanwhile(supervise: Make) -> None:
    told: list[str] = []
    at: dict[str, float] = {}
    """When each was started."""
    supervisor: Supervisor

    def changed(running: Running) -> None:
        at.setdefault(running.part.name, time.monotonic())

    def revives(part: Part, failure: PartFailed) -> None:
        told.append(part.name)
        if part.name == "store":  # the other dies during the rest
            os.kill(supervisor.running[1].process.pid, signal.SIGKILL)

    def all_back() -> bool:
        return len(told) == len(at) == 2 and all(running.ready_after_s is not None for running in supervisor.running)

    supervisor = supervise(
        part("store", SERVES, restarts=1, rest_s=REST_S),
        part("watcher", SERVES, restarts=1),
        interrupted=all_back,
        changed=changed,
        revives=revives,
    )
    assert supervisor.start()
    killed = supervisor.running[0].process.pid
    at.clear()
    began = time.monotonic()
    os.kill(killed, signal.SIGKILL)
    supervisor.watch()
    assert told == ["store", "watcher"]
    assert at["store"] - began >= REST_S
    assert at["watcher"] < at["store"]
    assert supervisor.running[0].process.pid != killed


def test_during_a_rest_an_interrupt_is_obeyed_at_once_and_nobody_comes_back(supervise: Make) -> None:
    told: list[Part] = []
    supervisor = supervise(
        part("store", SERVES, restarts=1, rest_s=3600.0),
        part("good", SERVES),
        interrupted=lambda: bool(told),
        revives=lambda part, failure: told.append(part),
    )
    assert supervisor.start()
    pids = [running.process.pid for running in supervisor.running]
    os.kill(pids[0], signal.SIGKILL)
    supervisor.watch()
    assert supervisor.stop() == []
    assert not any(map(lives, pids))
    assert [running.process.pid for running in supervisor.running] == pids


def test_a_part_sees_the_environment_that_the_supervisor_was_given_and_its_own(
    supervise: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "1")
    code = f"import os; assert 'OURS' not in os.environ; print(os.environ['GIVEN'], os.environ['OWN']); {SERVES}"
    supervisor = supervise(part("one", code, env={"OWN": "its"}), environ={"GIVEN": "the", "PATH": os.environ["PATH"]})
    assert supervisor.start(), supervisor.running[0].log.read_text()
    assert supervisor.running[0].log.read_text().startswith("the its\n")
