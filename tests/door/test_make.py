"""The Makefile's bootstrap, without downloading: which Python it takes, what it says, when it has nothing to do."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from door.home import ROOT

FAKE_PYTHON = """#!/bin/sh
# A Python that makes venvs without packages: -c succeeds, -m venv copies itself, -m pip writes down what it was asked.
case "$1 $2" in
  "-m venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  "-m pip") shift 2; echo "$@" >> pip.log; case "$*" in *requirements.lock*) exit ${PIP_FAILS:-0};; esac ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing but the Makefile and what it reads, and a python3 that is fake."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "python3").write_text(FAKE_PYTHON)
    (tmp_path / "python3").chmod(0o755)
    return tmp_path


def make(checkout: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = "/usr/bin:/bin"
    return subprocess.run(
        ["make", "--no-print-directory", "-C", str(checkout), *words],
        env={"PATH": path, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_venv_is_made_and_filled_from_the_lock_by_hash_and_then_left_alone(checkout: Path) -> None:
    first = make(checkout, f"PYTHON={checkout}/python3", ".venv/.installed")
    assert first.returncode == 0, first.stderr
    asked = (checkout / "pip.log").read_text()
    assert "install --require-hashes -r requirements.lock" in asked
    assert "install --quiet --no-deps --no-build-isolation -e ." in asked
    second = make(checkout, f"PYTHON={checkout}/python3", ".venv/.installed")
    assert "up to date" in second.stdout
    assert (checkout / "pip.log").read_text() == asked


def test_a_checkout_that_was_moved_is_installed_anew(checkout: Path, tmp_path: Path) -> None:
    make(checkout, f"PYTHON={checkout}/python3", ".venv/.installed")
    moved = tmp_path / "else where"
    shutil.copytree(checkout, moved, ignore=shutil.ignore_patterns("else where"))
    (moved / "pip.log").unlink()
    assert make(moved, f"PYTHON={checkout}/python3", ".venv/.installed").returncode == 0
    assert "-e ." in (moved / "pip.log").read_text()
    (moved / "pip.log").unlink()
    assert make(moved, f"PYTHON={checkout}/python3", ".venv/.installed").returncode == 0
    assert not (moved / "pip.log").exists()


def test_a_changed_lock_file_installs_again(checkout: Path) -> None:
    make(checkout, f"PYTHON={checkout}/python3", ".venv/.installed")
    (checkout / "pip.log").unlink()
    shutil.copy(ROOT / "requirements.lock", checkout)
    assert make(checkout, f"PYTHON={checkout}/python3", ".venv/.installed").returncode == 0
    assert "requirements.lock" in (checkout / "pip.log").read_text()


def test_a_failed_or_interrupted_install_is_not_taken_for_done(checkout: Path) -> None:
    failed = make(checkout, f"PYTHON={checkout}/python3", ".venv/.installed", PIP_FAILS="1")
    assert failed.returncode != 0
    assert "run it again" in failed.stderr
    assert make(checkout, f"PYTHON={checkout}/python3", ".venv/.installed").returncode == 0


def test_without_a_python_that_is_new_enough_the_message_says_what_to_install(checkout: Path) -> None:
    (checkout / "python3").write_text("#!/bin/sh\nexit 1\n")
    refused = make(checkout, f"PYTHON={checkout}/python3", "up")
    assert refused.returncode != 0
    assert "No Python >= 3.11" in refused.stderr
    assert "make PYTHON=" in refused.stderr


def test_a_python_that_is_on_the_path_but_does_not_run_is_passed_over(checkout: Path) -> None:
    (checkout / "broken").write_text("#!/bin/sh\necho not active >&2; exit 127\n")
    (checkout / "broken").chmod(0o755)
    made = make(checkout, f"PYTHONS={checkout}/broken {checkout}/python3", ".venv/.installed")
    assert made.returncode == 0, made.stderr


def test_make_alone_names_the_targets() -> None:
    shown = make(ROOT).stdout
    for target in ("up", "test", "check", "bench", "lock", "clean"):
        assert f"make {target}" in shown


def test_continuous_integration_runs_test_and_check_and_fails_with_either(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / "Makefile").write_text(".venv/.installed:\n\t@exit $(I)\ntest:\n\t@exit $(T)\ncheck:\n\t@exit $(C)\n")

    def run(test: str, check: str, install: str = "0") -> subprocess.CompletedProcess[str]:
        env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "I": install, "T": test, "C": check}
        command = ["bash", str(tmp_path / ".ci" / "run")]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)

    assert run("0", "0").returncode == 0
    assert run("1", "0").returncode == 1
    assert run("0", "1").stdout.endswith("failed: make check\n")
    assert run("1", "1").stdout.endswith("failed: make check test\n")
    refused = run("0", "0", install="1")
    assert refused.returncode == 1
    assert refused.stdout.endswith("failed: make .venv/.installed\n")
