"""The state file and the home: what survives a crash, and who may own a home."""

import os
from pathlib import Path

import pytest

from door import home, processes, state
from door.errors import DoorError

ME = processes.name_of("me", os.getpid())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written = state.UpState(ME, ready=True, urls={"service": "http://127.0.0.1:8000"}, parts=(ME,))
    state.write(tmp_path, written)
    assert state.read(tmp_path) == written
    state.clear(tmp_path)
    assert state.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"supervisor": 1}', "\x00"])
def test_a_broken_state_file_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / home.UP_STATE).write_text(text)
    assert state.read(tmp_path) is None


def test_a_pid_that_was_given_to_a_stranger_is_not_ours() -> None:
    assert processes.is_alive(ME)
    earlier = state.ProcessName("one of ours, long ago", ME.pid, ME.started_s - 3600)
    assert not processes.is_alive(earlier)
    assert processes.group_members(earlier) == []


def test_a_home_has_one_owner_at_a_time(tmp_path: Path) -> None:
    with home.hold(tmp_path), pytest.raises(home.AlreadyUp), home.hold(tmp_path):
        pass
    with home.hold(tmp_path):
        pass


def test_a_home_that_cannot_be_made_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DoorError, match=r"cannot write to .*file/home"), home.hold(tmp_path / "file" / "home"):
        pass
