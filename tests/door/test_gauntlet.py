"""The table of verbs: help at once, wrong usage with exit code 2, nothing imported before it is needed."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import gauntlet as door
from tests.door.cli import environment, gauntlet


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--help"], ["-h"], ["help"]):
        assert door.main(words) == 0
        printed = capsys.readouterr().out
        assert all(f"  {verb} " in printed for verb in door.VERBS)


def test_every_verb_has_help(tmp_path: Path) -> None:
    for verb in door.VERBS:
        shown = gauntlet(verb, "--help", env=environment(tmp_path))
        assert shown.returncode == 0
        assert f"usage: gauntlet {verb}" in shown.stdout


def test_an_unknown_verb_is_refused_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["upp"]) == 2
    assert f"there are {', '.join(door.VERBS)}" in capsys.readouterr().err


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["--version"]) == 0
    assert capsys.readouterr().out == f"gauntlet {version('gauntlet')}\n"


def test_help_imports_nothing_of_the_verbs() -> None:
    code = "import sys, gauntlet; gauntlet.main(['--help']); print([m for m in sys.modules if '.' in m])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    modules = shown.stdout.splitlines()[-1]
    assert "door.errors" in modules
    for heavy in ("rich", "psutil", "asyncio", "redis", "door.up"):
        assert f"'{heavy}" not in modules


def test_a_package_that_is_missing_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(door.VERBS, "doctor", ("no_such_package", ""))
    assert door.main(["doctor"]) == 1
    assert "no_such_package is not installed" in capsys.readouterr().err


def test_a_wrong_flag_is_refused_with_the_usage(tmp_path: Path) -> None:
    refused = gauntlet("up", "--prot", "9000", env=environment(tmp_path))
    assert refused.returncode == 2
    assert "usage: gauntlet up" in refused.stderr
