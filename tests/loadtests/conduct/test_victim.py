"""A process is killed and paused for real, and whoever dies meanwhile, it goes on afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from loadtests.books.errors import CannotJudge
from loadtests.conduct.victim import WAKER, Victim
from tests.loadtests.small import phase, scenario

SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]
PAUSE = {"target": "store", "fault": "pause", "at_s": 2, "for_s": 3}
KILL = {"target": "store", "fault": "kill", "at_s": 1}
KILL_WORKER = {**KILL, "target": "worker"}


class Child:
    """A process that stands for Valkey; its supervisor is the test."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []
        self.begin()

    def begin(self) -> None:
        self.started.append(subprocess.Popen(SLEEPER))

    @property
    def popen(self) -> subprocess.Popen[bytes]:
        return self.started[-1]

    def pid(self) -> int | None:
        return self.popen.pid if self.popen.poll() is None else None

    def is_stopped(self) -> bool:
        return bool(psutil.Process(self.popen.pid).status() == psutil.STATUS_STOPPED)

    def stops(self) -> bool:
        """Whether it stops within a moment: a signal is acted on when its process comes to it."""
        until(self.is_stopped, "the child to stop")
        return True

    def goes_on(self) -> bool:
        """Whether it goes on within a moment."""
        until(lambda: not self.is_stopped(), "the child to go on")
        return True

    def end(self) -> None:
        for popen in self.started:
            popen.kill()  # also of one that is stopped
            popen.wait()


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child()
    yield child
    child.end()


def until(true: Callable[[], bool], what: str, within_s: float = 15) -> None:
    end_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end_s, f"waited {within_s} s in vain for {what}"
        time.sleep(0.01)


def store_of(child: Child, *faults: dict[str, object]) -> Victim:
    return Victim("store", scenario(phase(for_s=20, fault=faults)), child.pid, 7)


def test_it_is_paused_when_it_is_due_and_goes_on_afterwards(child: Child) -> None:
    store = store_of(child, PAUSE)
    store.check()
    epoch = 1000.0
    store.at(1.9, epoch + 1.9)
    assert not child.is_stopped()
    store.at(2.0, epoch + 2.0)
    assert child.stops()
    store.at(4.9, epoch + 4.9)
    assert child.is_stopped()
    assert store.bands == []
    store.at(5.0, epoch + 5.0)
    assert child.goes_on()
    (band,) = store.bands
    assert (band.target, band.label, band.since, band.until) == ("store", "store: paused", 1002.0, 1005.0)
    store.end()
    assert len(store.bands) == 1


def test_the_end_of_a_run_ends_a_pause(child: Child) -> None:
    store = store_of(child, PAUSE)
    now = time.time()
    store.at(2.0, now)
    assert child.stops()
    store.end()
    assert child.goes_on()
    (band,) = store.bands
    assert band.since == now <= band.until < now + 3


def test_what_is_wrong_with_it_is_told_while_it_is(child: Child) -> None:
    store = store_of(child, KILL, PAUSE)
    assert store.broken == []
    store.at(1.0, 1001.0)
    child.popen.wait(10)
    assert store.broken == ["store: killed with -9"]
    child.begin()
    store.at(2.0, 1002.0)
    assert store.broken == ["store: paused"]
    store.at(5.0, 1005.0)
    assert store.broken == []


def test_nothing_is_left_of_a_pause(child: Child) -> None:
    store = store_of(child, PAUSE)
    store.at(2.0, time.time())
    (waker,) = _wakers()
    store.end()
    assert _wakers() == []
    assert not psutil.pid_exists(waker.pid)


def _wakers() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if str(WAKER) in one.cmdline()]


def test_it_is_killed_and_its_band_ends_when_another_one_is_there(child: Child) -> None:
    store = store_of(child, KILL)
    store.at(1.0, 1001.0)
    assert child.popen.wait(10) == -signal.SIGKILL
    store.at(2.0, 1002.0)
    assert store.bands == []
    child.begin()
    store.at(3.0, 1003.0)
    (band,) = store.bands
    assert (band.target, band.label, band.since, band.until) == ("store", "store: killed with -9", 1001.0, 1003.0)
    store.end()


def test_the_end_waits_until_it_is_back(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(child, KILL)
    store.at(1.0, time.time())
    child.popen.wait(10)
    looked = []

    def sleep(_: float) -> None:
        looked.append(len(store.bands))
        if len(looked) == 3:
            child.begin()

    monkeypatch.setattr("loadtests.conduct.victim.time.sleep", sleep)
    store.end()
    assert looked == [0, 0, 0]
    assert len(store.bands) == 1


def test_one_that_does_not_come_back_is_told(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.conduct.victim.BACK_WITHIN_S", 0.1)
    store = store_of(child, KILL)
    store.at(1.0, time.time())
    child.popen.wait(10)
    with pytest.raises(CannotJudge, match=r"not back within 0\.1 s"):
        store.end()


def test_what_is_paused_can_be_killed(child: Child) -> None:
    store = store_of(child, PAUSE, {**KILL, "at_s": 3})
    store.at(2.0, time.time())
    store.at(3.0, time.time())
    assert child.popen.wait(10) == -signal.SIGKILL
    child.begin()
    store.end()
    assert {band.label for band in store.bands} == {"store: paused", "store: killed with -9"}


def test_a_store_that_is_none_of_ours_is_not_broken() -> None:
    broken = Victim("store", scenario(phase(fault=[PAUSE])), lambda: None, 7)
    with pytest.raises(CannotJudge, match=r"Valkey, and there is none .* \(REDIS_URL names another\)"):
        broken.check()
    Victim("store", scenario(), lambda: None, 7).check()
    Victim("worker", scenario(phase(fault=[PAUSE])), lambda: None, 7).check()
    worker = Victim("worker", scenario(phase(fault=[{**PAUSE, "target": "worker"}])), lambda: None, 7)
    with pytest.raises(CannotJudge, match="the worker, and there is none that `gauntlet up` started; run it at"):
        worker.check()


EVERY_S = 0.5
AGAIN = {"target": "worker", "fault": "kill", "at_s": 1, "for_s": 10, "every_s": EVERY_S}


def killed_at(child: Child, seed: int) -> list[float]:
    """When a worker that is back at once is killed, looking at it every hundredth of a second."""
    victim = Victim("worker", scenario(phase(for_s=20, fault=[AGAIN])), child.pid, seed)
    killed = []
    for step in range(2000):
        at_s = step / 100
        victim.at(at_s, 1000 + at_s)
        if victim.broken:
            killed.append(at_s)
            assert child.popen.wait(10) == -signal.SIGKILL
            child.begin()
            victim.at(at_s, 1000 + at_s)
    assert len(victim.bands) == len(killed)
    return killed


def test_kills_that_come_again_and_again_come_at_moments_that_the_seed_draws(child: Child) -> None:
    first, again, other = killed_at(child, 7), killed_at(child, 7), killed_at(child, 8)
    assert first == again != other
    for moments in (first, other):
        assert all(1 <= at_s < 11.02 for at_s in moments)
        gaps = [late - early for early, late in pairwise(moments)]
        assert all(0.5 * EVERY_S - 0.02 < gap < 1.5 * EVERY_S + 0.02 for gap in gaps)
        assert len({round(gap, 2) for gap in gaps}) > 5
        assert len(moments) == pytest.approx(10 / EVERY_S, abs=6)


def test_who_is_not_back_yet_is_not_killed_again_until_it_is(child: Child) -> None:
    victim = Victim("worker", scenario(phase(for_s=20, fault=[KILL_WORKER, {**KILL_WORKER, "at_s": 2}])), child.pid, 7)
    victim.at(1.0, 1001.0)
    child.popen.wait(10)
    victim.at(2.5, 1002.5)
    assert victim.broken == ["worker: killed with -9"]
    child.begin()
    victim.at(5.0, 1005.0)
    assert child.popen.wait(10) == -signal.SIGKILL
    child.begin()
    victim.end()
    assert [(band.since, band.label) for band in victim.bands] == [
        (1001.0, "worker: killed with -9"),
        (1005.0, "worker: killed with -9"),
    ]


def test_a_store_that_is_gone_when_it_should_be_broken_is_told(child: Child) -> None:
    store = store_of(child, PAUSE)
    child.popen.kill()
    child.popen.wait()
    with pytest.raises(CannotJudge, match="not there when it is to be broken"):
        store.at(2.0, time.time())
    assert _wakers() == []


CONDUCTOR = """
import sys, time
from loadtests.conduct.victim import Victim
from tests.loadtests.small import phase, scenario
fault = {"target": "store", "fault": "pause", "for_s": float(sys.argv[2])}
store = Victim("store", scenario(phase(for_s=60, fault=[fault])), lambda: int(sys.argv[1]), 7)
store.at(0.0, time.time())
print("paused", flush=True)
time.sleep(60)
"""
ROOT = Path(__file__).resolve().parents[3]


def conductor(child: Child, pause_s: float) -> subprocess.Popen[bytes]:
    """A process that pauses the child and then does nothing any more."""
    command = [sys.executable, "-c", CONDUCTOR, str(child.popen.pid), str(pause_s)]
    popen = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert popen.stdout is not None
    assert popen.stdout.readline() == b"paused\n"
    popen.stdout.close()
    return popen


def test_it_goes_on_when_the_conductor_is_killed_with_minus_9(child: Child) -> None:
    popen = conductor(child, pause_s=50)
    assert child.stops()
    popen.kill()
    popen.wait()
    assert child.goes_on()


def test_it_goes_on_in_time_when_the_conductor_hangs(child: Child) -> None:
    popen = conductor(child, pause_s=0.5)
    os.kill(popen.pid, signal.SIGSTOP)
    assert child.goes_on()
    assert popen.poll() is None
    popen.kill()
    popen.wait()


def test_the_waker_goes_at_once_when_it_is_told_to(child: Child) -> None:
    os.kill(child.popen.pid, signal.SIGSTOP)
    assert child.stops()
    command = [sys.executable, "-I", "-S", str(WAKER), str(child.popen.pid), "50", str(os.getpid())]
    waker = subprocess.Popen(command)
    until(lambda: _catches(waker.pid), "the waker to be ready for its signal")
    waker.terminate()
    assert waker.wait(10) == 0
    assert child.goes_on()


def _catches(pid: int) -> bool:
    """Whether the process has a handler for SIGTERM."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
