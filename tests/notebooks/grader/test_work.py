"""What a learner wrote is never overwritten, and how far it got is remembered."""

import json
from pathlib import Path

import pytest

from door.errors import DoorError
from notebooks.grader.catalogue import load
from notebooks.grader.check import Checked, Result
from notebooks.grader.work import PROGRESS, VARIABLE, Work

from .made import toy


def test_a_start_writes_the_starter_once_and_a_reset_keeps_what_was_there(tmp_path: Path) -> None:
    exercise, work = load(toy(tmp_path)), Work({VARIABLE: str(tmp_path / "work")})
    starter = (exercise.folder / "starter.py").read_text()
    assert work.start(exercise)
    assert work.file(exercise).read_text() == starter
    work.file(exercise).write_text("mine")
    assert not work.start(exercise)
    assert work.file(exercise).read_text() == "mine"
    first = work.reset(exercise)
    work.file(exercise).write_text("mine again")
    second = work.reset(exercise)
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == ("01_toy.before-1.py", "01_toy.before-2.py")
    assert (first.read_text(), second.read_text()) == ("mine", "mine again")
    assert work.file(exercise).read_text() == starter


def test_progress_is_what_the_last_check_found_and_done_stays_done(tmp_path: Path) -> None:
    exercise, work = load(toy(tmp_path)), Work({VARIABLE: str(tmp_path / "work")})
    answers, once = exercise.probes
    work.note(Checked(exercise, 7, [Result(answers, "passed"), Result(once, "broken")]))
    assert (work.progress(exercise).passed, work.progress(exercise).failing) == (["answers"], "asks_once")
    work.note(Checked(exercise, 7, [Result(answers, "passed"), Result(once, "passed")]))
    work.note(Checked(exercise, 7, [Result(answers, "broken")]))
    assert (work.progress(exercise).done, work.progress(exercise).failing) == (True, "answers")


def test_hints_come_one_level_at_a_time_and_the_last_stays(tmp_path: Path) -> None:
    exercise, work = load(toy(tmp_path)), Work({VARIABLE: str(tmp_path / "work")})
    shown = [work.next_hint(exercise, "asks_once") for _ in range(4)]
    assert shown == [(1, "How often?"), (2, "ask, again"), (3, "once"), (3, "once")]
    assert work.next_hint(exercise, "answers")[0] == 1


def test_a_progress_file_that_is_no_longer_one_says_what_to_do(tmp_path: Path) -> None:
    exercise, work = load(toy(tmp_path)), Work({VARIABLE: str(tmp_path)})
    for text in ("{", json.dumps({"01_toy": {"colour": 1}}), "[]"):
        (tmp_path / PROGRESS).write_text(text)
        with pytest.raises(DoorError, match="delete it"):
            work.progress(exercise)
