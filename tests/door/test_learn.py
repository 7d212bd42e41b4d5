"""`gauntlet learn` as a learner types it: from the list to all promises kept, with the exercises that ship."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from door.home import ROOT
from notebooks.grader.catalogue import exercises

FIRST = exercises()[0]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


def learn(work: Path, *words: str) -> tuple[int, str]:
    """Exit code, and what was said."""
    done = subprocess.run(
        [sys.executable, "-m", "gauntlet", "learn", *words],
        cwd=ROOT,
        env={**os.environ, "GAUNTLET_WORK": str(work), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_a_learner_goes_from_the_list_to_all_promises_kept(work: Path) -> None:
    code, said = learn(work)
    assert code == 0
    assert "learn start 1" in said
    assert all(one.title in said for one in exercises())
    code, said = learn(work, "start", "1")
    assert code == 0
    assert "is yours now" in said
    code, said = learn(work, "check")
    assert code == 1
    assert "✗" in said
    for name in ("given", "expected", "seen", "in production", "--only", "learn hint 1"):
        assert name in said
    code, said = learn(work, "hint")
    assert code == 0
    assert "hint 1 of 3" in said
    code, said = learn(work, "solution", "1")
    assert code == 1
    assert "--spoil" in said
    shutil.copy(FIRST.folder / "solution.py", work / f"{FIRST.label}.py")
    code, said = learn(work, "check", FIRST.name)
    assert code == 0
    assert f"All {len(FIRST.probes)} promises are kept." in said
    assert "✓ passed" in learn(work)[1]
    assert learn(work, "solution", "1")[0] == 0


def test_the_command_that_repeats_a_failure_repeats_it(work: Path) -> None:
    learn(work, "start", "1")
    said = learn(work, "check", "1")[1]
    words = next(line for line in said.splitlines() if "--only" in line).split("again")[0].split()
    code, again = learn(work, *words[words.index("learn") + 1 :])
    assert code == 1
    assert "more after this one" not in again
    assert f"learn hint 1 --probe {words[words.index('--only') + 1]}" in again
    assert next(line for line in said.splitlines() if "✗" in line) in again


def test_a_file_that_cannot_be_read_takes_nothing_of_what_was_reached(work: Path) -> None:
    learn(work, "start", "1")
    learn(work, "check", "1")
    reached = (work / ".progress.json").read_text()
    with (work / f"{FIRST.label}.py").open("a") as mine:
        mine.write("def (\n")
    code, said = learn(work, "check", "1")
    assert code == 1
    assert "Python cannot read your file" in said
    assert (work / ".progress.json").read_text() == reached


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["start", "99"], 2, "there is no exercise '99'; there are 1 ("),
        (["check", "1"], 1, "learn start 1` puts it there"),
        (["check"], 2, "no exercise is begun"),
        (["check", "1", "--only", "nobody"], 2, "there is no probe 'nobody'; there are "),
        (["check", "1", "--seed", "x"], 2, "expected a number"),
        (["hint", "1"], 1, "it was not checked yet"),
        (["teach"], 2, "invalid choice"),
    ],
)
def test_what_cannot_be_done_is_told_with_what_can(work: Path, words: list[str], code: int, said: str) -> None:
    found, told = learn(work, *words)
    assert found == code
    assert said in told


def test_watch_checks_again_at_every_save_until_it_is_interrupted(work: Path) -> None:
    learn(work, "start", "1")
    watching = subprocess.Popen(
        [sys.executable, "-u", "-m", "gauntlet", "learn", "check", "1", "--watch"],
        cwd=ROOT,
        env={**os.environ, "GAUNTLET_WORK": str(work)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    try:
        _until(watching, "watching; Ctrl-C ends")
        shutil.copy(FIRST.folder / "solution.py", work / f"{FIRST.label}.py")
        _until(watching, f"All {len(FIRST.probes)} promises are kept.")
        _until(watching, "watching; Ctrl-C ends")
    finally:
        watching.send_signal(signal.SIGINT)
        watching.stdout.read()
        code = watching.wait(60)
        watching.stdout.close()
    assert code == 0


def _until(process: "subprocess.Popen[str]", words: str) -> None:
    assert process.stdout is not None
    assert any(words in line for line in process.stdout), f"it ended without saying {words!r}"
