"""A scenario as a child process that speaks the protocol, and one that does not: real processes, a fake program."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dashboard.control import protocol
from dashboard.control.child import Child, Patience
from tests.root import ROOT
from tests.waiting import wait_for

FAKE = Path(__file__).with_name("fake_load.py")
QUICK = Patience(stop_s=0.6, term_s=0.6, silent_s=30.0)
Start = Callable[..., Child]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start("good", "--for", "20")`: that scenario of the fake; all are ended with the test."""
    started: list[Child] = []

    def starts(*words: str, patience: Patience | None = None) -> Child:
        child = Child([sys.executable, str(FAKE), str(tmp_path), *words], os.environ, tmp_path, patience)
        started.append(child)
        return child

    yield starts
    for child in started:
        child.end(1.0)
        assert not child.runs


def said(folder: Path) -> list[dict[str, Any]]:
    """What the fake noted."""
    path = folder / "said.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def told(folder: Path) -> list[str]:
    """The lines that it was told."""
    return [row["told"] for row in said(folder) if "told" in row]


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_it_tells_its_start_its_progress_and_its_verdict(start: Start) -> None:
    child = start("good", "--for", "20")
    assert child.wait(30)
    assert child.started is not None
    assert [phase.name for phase in child.started.phases] == ["calm", "outage"]
    assert child.progress is not None
    assert (child.progress.phase, child.progress.faults) == ("outage", ("anthropic: status 503",))
    assert child.verdict is not None
    assert (child.verdict.verdict, child.verdict.failed) == ("pass", ())
    assert (child.failure, child.refused, child.unheard) == (None, None, 0)


def test_a_verdict_names_what_failed(start: Start) -> None:
    child = start("bad", "--for", "20")
    assert child.wait(30)
    assert child.verdict is not None
    (missed,) = child.verdict.failed
    assert (missed.name, missed.phases, missed.bound, missed.found) == ("success share", "outage", ">= 99 %", "50 %")


def test_it_is_scaled_while_it_runs(start: Start, tmp_path: Path) -> None:
    child = start("good")
    wait_for(lambda: child.progress is not None, "progress")
    child.scale(2)
    wait_for(lambda: child.progress is not None and child.progress.scale == 2.0, "the scale to be told")
    child.scale(1000)
    child.scale(0)
    wait_for(lambda: told(tmp_path) == ["scale 2", "scale 10", "scale 0.1"], "the scales to be heard")


def test_stopped_it_says_its_verdict_and_ends(start: Start, tmp_path: Path) -> None:
    child = start("good")
    wait_for(lambda: child.progress is not None, "progress")
    child.stop()
    assert child.wait(30)
    assert told(tmp_path) == ["stop"]
    assert child.verdict is not None
    assert (child.verdict.verdict, child.verdict.reason) == ("unknown", "it was stopped early")
    assert not child.stops


def test_stopped_twice_it_ends_at_once_and_tidies_up(start: Start, tmp_path: Path) -> None:
    child = start("silent")
    wait_for(lambda: child.started is not None, "its start")
    child.stop()
    assert child.stops
    child.stop()
    assert child.wait(30)
    assert child.failure == "it was ended"
    assert not child.was_killed
    assert {"tidied": True} in said(tmp_path)


def test_a_refusal_is_told_in_its_own_words(start: Start) -> None:
    child = start("refused")
    assert child.wait(30)
    assert child.refused is not None
    assert child.refused.reason == "another run is under way: *20260101*"
    assert child.failure is None


def test_a_crash_without_a_word_tells_what_it_last_complained_of(start: Start) -> None:
    child = start("crash")
    assert child.wait(30)
    assert child.failure == "it ended without a verdict (exit code 1): ZeroDivisionError: by nothing"


def test_what_is_not_of_the_protocol_is_counted_and_passed_over(start: Start) -> None:
    child = start("garbage", "--for", "20")
    assert child.wait(30)
    assert child.unheard >= 5
    assert child.verdict is not None
    assert child.verdict.verdict == "pass"


def test_one_that_does_not_stop_is_terminated(start: Start) -> None:
    child = start("hang", patience=QUICK)
    wait_for(lambda: child.started is not None, "its start")
    child.stop()
    assert child.wait(30)
    assert child.failure == "it had not stopped within 0.6 s and was ended"
    assert not child.was_killed


def test_one_that_does_not_hear_is_killed(start: Start) -> None:
    child = start("deaf", patience=QUICK)
    wait_for(lambda: child.started is not None, "its start")
    child.stop()
    assert child.wait(30)
    assert child.was_killed


def test_one_that_falls_silent_is_ended_by_itself(start: Start) -> None:
    child = start("hang", patience=Patience(stop_s=60, term_s=5, silent_s=1.0))
    assert child.wait(30)
    assert child.failure == "it said nothing for 1 s and was ended"


def test_whom_a_crash_leaves_behind_is_ended_too(start: Start, tmp_path: Path) -> None:
    child = start("orphan")
    assert child.wait(30)
    assert child.failure == "it ended without a verdict (SIGKILL)"
    (left,) = [row["left"] for row in said(tmp_path) if "left" in row]
    wait_for(lambda: is_gone(left), "what it started to be gone")


def test_it_leads_a_group_of_its_own(start: Start) -> None:
    child = start("good")
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)


def test_a_program_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Child([str(tmp_path / "none")], os.environ, tmp_path)


HOLDER = """
import sys, os, time, signal
from pathlib import Path
from dashboard.control import command
from dashboard.control.command import Scenario
from dashboard.control.conductor import conductor
fake, folder = sys.argv[1:]
command.command = lambda *words: [sys.executable, fake, folder, *words]
os.environ["GAUNTLET_RUNS"] = folder + "/runs"
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
conductor().start(Scenario(name="good", title="Good", duration_s=1000, short_s=1000), is_short=False)
while conductor().child.progress is None:
    time.sleep(0.05)
print(conductor().child.pid, flush=True)
signal.pause()
"""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_process_that_started_it(tmp_path: Path, sent: signal.Signals) -> None:
    """Ended, the process ends it; killed, its output breaks, on which the command ends by itself."""
    environment = {**os.environ, "FAKE_PACE": "0.1"}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(FAKE), str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, env=environment
    )
    assert holder.stdout is not None
    with holder.stdout:
        pid = int(holder.stdout.readline())
    holder.send_signal(sent)
    holder.wait(30)
    wait_for(lambda: is_gone(pid), "the child to be gone")
    notes = {name for row in said(tmp_path) for name in row}
    assert ("tidied" if sent == signal.SIGTERM else "broken") in notes


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"null", b'{"event": "other"}', b'{"event": "verdict", "run": "1", "verdict": "maybe"}',
     b'{"event": "progress", "at_s": NaN}', b'{"event": "progress", "at_s": "x"}'],
)  # fmt: skip
def test_a_line_of_another_form_is_not_heard(line: bytes) -> None:
    assert protocol.heard(line) is None
