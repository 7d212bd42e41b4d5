"""From a clean checkout with installed packages to the first promise kept, by the README's own commands."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from door.home import ROOT
from notebooks.grader.catalogue import exercises
from tests.door.cli import environment

WITHIN_S = 180.0
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".gauntlet", ".*_cache", ".hypothesis", "__pycache__", "work", "tests"
)
FIRST = exercises()[0]


def typed(section: str) -> list[list[str]]:
    """What the README says to type in a section, without the path of the command."""
    text = (ROOT / "README.md").read_text().split(f"\n### {section}\n")[1].split("\n### ")[0]
    fence = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0]
    return [line.split()[1:] for line in fence.splitlines()]


@pytest.mark.timeout(WITHIN_S + 60)
def test_a_new_learner_sees_the_first_promise_kept_and_the_next_one_broken_within_three_minutes(tmp_path: Path) -> None:
    checkout = tmp_path / "gauntlet"
    shutil.copytree(ROOT, checkout, ignore=LEFT_OUT)
    began, said = time.monotonic(), ""
    for words in typed("Exercises"):
        done = subprocess.run(
            [sys.executable, "-m", "gauntlet", *words],
            cwd=checkout,
            env=environment(tmp_path / "home"),
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
        )
        said += done.stdout
        assert done.returncode == (1 if "check" in words else 0), done.stdout + done.stderr
        if "check" in words:
            took_s = time.monotonic() - began
    assert (checkout / "work" / f"{FIRST.label}.py").read_text() == (FIRST.folder / "starter.py").read_text()
    assert f"✓ {FIRST.probes[0].title}" in said
    assert f"✗ {FIRST.probes[1].title}" in said
    assert "hint 1 of 3" in said
    assert took_s < WITHIN_S
