"""A learner's file is read once, and says what is wrong where it cannot be."""

from pathlib import Path

import pytest

from notebooks.grader.learner import Learner, Unusable


def test_a_file_that_is_saved_in_the_middle_of_a_check_stays_as_it_was_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("ANSWER = 1\n")
    learner = Learner(file, ["ANSWER"])
    assert learner.load().ANSWER == 1
    file.write_text("ANSWER = 2\n")
    assert learner.load().ANSWER == 1
    file.unlink()
    assert learner.line(1) == "line 1: ANSWER = 1"


def test_a_file_that_is_gone_is_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="No such file"):
        Learner(tmp_path / "gone.py", []).load()
