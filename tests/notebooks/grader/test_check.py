"""Whatever a learner's code does, its check ends, and says what happened and where."""

from pathlib import Path

import pytest

from notebooks.grader.catalogue import load
from notebooks.grader.check import Checked, check
from notebooks.grader.rig import Rig
from tests.door.cli import eventually, lives

from .made import HEAD, NOTHING, RIGHT, TWICE, source, toy


def checked(tmp_path: Path, rig: Rig, text: str) -> Checked:
    file = tmp_path / "mine.py"
    file.write_text(text)
    return check(load(toy(tmp_path)), file, rig, seed=7)


def test_code_that_keeps_its_promises_passes(tmp_path: Path, made_rig: Rig) -> None:
    done = checked(tmp_path, made_rig, source(RIGHT))
    assert done.passed
    assert [one.probe.name for one in done.results] == ["answers", "asks_once"]
    (event,) = done.results[0].timeline
    assert (event.lane, event.words, event.ok) == ("anthropic calls", "200", True)


def test_the_first_broken_promise_ends_the_check_and_says_what_was_seen_at_the_ledger(
    tmp_path: Path, made_rig: Rig
) -> None:
    done = checked(tmp_path, made_rig, source(TWICE))
    assert done.failure is not None
    assert (done.failure.probe.name, done.failure.state) == ("asks_once", "broken")
    assert (done.failure.given, done.failure.expected, done.failure.seen) == ("a question", "1 call", "2 calls")


@pytest.mark.parametrize(
    ("body", "state", "where"),
    [
        ("while True: pass", "endless", "line 6: while True: pass"),
        ("time.sleep(1)\n    return await call(MESSAGES)", "blocked", "line 6: time.sleep(1)"),
        ("await asyncio.Event().wait()", "late", "line 6: await asyncio.Event().wait()"),
        ("while True: await clock.sleep(1)", "sleeps on", ""),
        ("await asyncio.sleep(9)\n    return 'x'", "real sleep", "line 6: await asyncio.sleep(9)"),
        ("import os; os._exit(4)", "crashed", ""),
        ("import ctypes; ctypes.string_at(0)", "crashed", "line 6: import ctypes; ctypes.string_at(0)"),
        ("import sys; sys.exit(0)", "raised", "line 6: import sys; sys.exit(0)"),
        ("return 'x' * 10**12", "memory", ""),
        ("raise asyncio.CancelledError", "raised", "line 6: raise asyncio.CancelledError"),
        ("return type('Odd', (), {'__bool__': None})()", "odd", ""),
    ],
)
def test_code_that_hangs_blocks_or_crashes_is_told_apart_by_state_and_line(
    tmp_path: Path, made_rig: Rig, body: str, state: str, where: str
) -> None:
    done = checked(tmp_path, made_rig, source(body))
    assert done.failure is not None
    assert (done.failure.state, done.failure.where) == (state, where), done


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (source("return await call("), "syntax", "line 6: '(' was never closed"),
        ("import nothing_there\n", "import", "No module named 'nothing_there'"),
        ("answer = 1\n", "missing", "no ask"),
        ("1 / 0\n", "import", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(1)\n", "import", "SystemExit: 1"),
    ],
)
def test_a_file_that_cannot_be_run_says_why(tmp_path: Path, made_rig: Rig, text: str, kind: str, words: str) -> None:
    done = checked(tmp_path, made_rig, text)
    assert done.failure is not None
    assert (done.failure.state, done.failure.kind) == ("unusable", kind)
    assert words in done.failure.seen


def test_a_loop_outside_every_function_has_its_line(tmp_path: Path, made_rig: Rig) -> None:
    done = checked(tmp_path, made_rig, "while True:\n    x = 1\n")
    assert done.failure is not None
    assert done.failure.state == "endless"
    assert done.failure.where.startswith("line ")


def test_a_task_that_cannot_be_cancelled_holds_nobody_up(tmp_path: Path, made_rig: Rig) -> None:
    stubborn = """
async def stubborn():
    while True:
        try:
            await asyncio.sleep(0)
        except BaseException:
            pass


"""
    body = f"TASKS.append(asyncio.create_task(stubborn()))\n    {RIGHT}"
    done = checked(tmp_path, made_rig, source(body, f"{HEAD}TASKS = []\n{stubborn}"))
    assert done.passed


def test_what_the_code_starts_is_ended_with_it_and_no_sdk_finds_the_real_api(tmp_path: Path, made_rig: Rig) -> None:
    body = "import os, subprocess; print(subprocess.Popen(['sleep', '600']).pid, os.environ['ANTHROPIC_BASE_URL'])"
    done = checked(tmp_path, made_rig, source(f"{body}\n    {NOTHING}"))
    pid, url = done.output.split()
    eventually(lambda: not lives(int(pid)), "what it started is gone", bound_s=10)
    assert url.startswith("http://127.0.0.1:")


def test_a_failure_of_the_probe_is_not_called_the_learners(tmp_path: Path, made_rig: Rig) -> None:
    folder = toy(tmp_path)
    probes = folder / "probes.py"
    probes.write_text(probes.read_text().replace("outcome = await", "raise OSError('no disk')\n    outcome = await", 1))
    done = check(load(folder), folder / "solution.py", made_rig, seed=7)
    assert done.failure is not None
    assert (done.failure.state, done.failure.seen, done.failure.where) == ("grader", "OSError: no disk", "")


def test_an_error_of_the_learners_that_a_probe_does_not_expect_has_its_line(tmp_path: Path, made_rig: Rig) -> None:
    done = checked(tmp_path, made_rig, source("answer = await call(MESSAGES)\n    return nobody"))
    assert done.failure is not None
    assert (done.failure.state, done.failure.seen) == ("raised", "NameError: name 'nobody' is not defined")
    assert done.failure.where.startswith("line 7: ")


def test_what_the_code_prints_is_kept_and_bounded(tmp_path: Path, made_rig: Rig) -> None:
    done = checked(tmp_path, made_rig, source(f"print('looking')\n    {RIGHT}"))
    assert done.output == "looking\nlooking\n"
    (tmp_path / "flood").mkdir()
    flooded = checked(tmp_path / "flood", made_rig, source("while True: print('x' * 10_000)"))
    assert not flooded.passed
    assert len(flooded.output) <= 4_000


def test_the_simulator_is_whole_again_for_whoever_comes_next(tmp_path: Path, made_rig: Rig) -> None:
    body = "import os; os._exit(0)"
    assert checked(tmp_path, made_rig, source(body)).failure is not None  # gone without a word is no pass
    again = tmp_path / "again"
    again.mkdir()
    assert checked(again, made_rig, source(RIGHT)).passed
