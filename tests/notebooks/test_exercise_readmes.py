"""Every command of every exercise's README is run, in order, and every path in it exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from door.home import ROOT
from notebooks.grader.catalogue import Exercise, exercises
from tests.door.cli import environment

FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(\.venv/bin/gauntlet [^`]+)`")
FILE = re.compile(r"`((?:service|loadtests|dashboard|door|notebooks|docs|work)/[\w./]+)`")
WATCHES = " --watch"
SECTIONS = ["What to build", "Promises", "What the check gives you", "To read"]
EXERCISES = [pytest.param(one, id=one.label) for one in exercises()]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("exercise", EXERCISES)
def test_its_commands_work(exercise: Exercise, tmp_path: Path) -> None:
    text = (exercise.folder / "README.md").read_text()
    commands = [line for fence in FENCE.findall(text) for line in fence.splitlines() if line] + INLINE.findall(text)
    assert [command.split()[2] for command in commands[:2]] == ["start", "check"], commands
    env = environment(tmp_path / "home", GAUNTLET_WORK=str(tmp_path / "work"))
    for command in commands:
        verb, words = command.split()[2], command.replace(WATCHES, "").split()[1:]  # nobody would press Ctrl-C
        run = [sys.executable, "-m", "gauntlet", *words]
        done = subprocess.run(run, cwd=ROOT, env=env, capture_output=True, text=True, timeout=100)
        refused = 1 if verb == "check" or (verb == "solution" and "--spoil" not in words) else 0
        assert done.returncode == refused, f"{command}\n{done.stdout}{done.stderr}"
        assert verb != "check" or ("✗" in done.stdout and "learn hint" in done.stdout), done.stdout


@pytest.mark.parametrize("exercise", EXERCISES)
def test_it_has_the_sections_of_all_and_its_paths_exist(exercise: Exercise) -> None:
    text = (exercise.folder / "README.md").read_text()
    assert text.startswith(f"# Exercise {exercise.number}: ")
    assert [title for title in re.findall(r"^## (.+)$", text, re.MULTILINE) if title in SECTIONS] == SECTIONS
    for path in FILE.findall(text):
        assert path == f"work/{exercise.label}.py" or (ROOT / path).exists(), path
