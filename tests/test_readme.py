"""Every command of the README is run, in its order, against a workbench on free ports; every path in it exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from door import ports
from door.home import ROOT
from tests.door.cli import Up, environment, gauntlet

README = (ROOT / "README.md").read_text()
FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

ELSEWHERE = {
    "make check": ".ci/run",
    "docker compose up --build": "tests/test_compose.py",
    ".venv/bin/python -m loadtests.poc sync --upstream http://127.0.0.1:8101": "tests/loadtests/test_poc.py",
}
"""Commands that another file runs, or without an engine holds against the code."""

SHORTENED = {
    "make test": "make test ARGS='-q tests/door/test_ports.py'",
    "make bench": "make bench ARGS=--help",
    "make scenarios": "make scenarios ARGS=--help",
    ".venv/bin/gauntlet demo": ".venv/bin/gauntlet demo --no-browser --for 1s",
    ".venv/bin/gauntlet load outage --for 48s": ".venv/bin/gauntlet load steady --for 5s",
    ".venv/bin/gauntlet pitfall 3": ".venv/bin/gauntlet pitfall 3 --short",
    ".venv/bin/gauntlet audit": ".venv/bin/gauntlet audit --only 2,4",
    ".venv/bin/gauntlet ablate outage --off breaker,fallback": (
        ".venv/bin/gauntlet ablate steady --off cache --no-poc --for 3s"
    ),
}
"""Commands that would run for minutes, or run this test again: the same target with less to do."""

EXITS = {".venv/bin/gauntlet learn check 1": 1}
"""Command -> its exit code, where that is not 0: an untouched starter keeps not all promises."""


def commands() -> list[str]:
    """The shell commands of the README, continued lines joined."""
    return [line for fence in FENCE.findall(README) for line in fence.replace("\\\n", "").splitlines() if line]


def table(title: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head; backticks removed."""
    section = README.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row] for row in rows[2:]]


@pytest.mark.timeout(400)
def test_every_command_works(tmp_path: Path) -> None:
    numbers = ports.resolve(dict.fromkeys((port.name for port in ports.TABLE), 0), {})
    moved = {port.variable: str(numbers[port.name]) for port in ports.TABLE}
    first, *others = commands()
    up = Up(tmp_path / "home", command=first.split(), **moved, GAUNTLET_WORK=str(tmp_path / "work"))
    try:
        up.ready()
        for command in others:
            if command not in ELSEWHERE:
                _run(_here(command, numbers), up.env, EXITS.get(command, 0))
    finally:
        up.end()
        gauntlet("down", env=up.env)
        (ROOT / "notebooks/00_tour_run.ipynb").unlink(missing_ok=True)


def test_the_lab_of_the_readme_works() -> None:
    (code,) = re.findall(r"^```python\n(from gauntlet import workbench\n.*?)^```$", README, re.MULTILINE | re.DOTALL)
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    assert "provider" in done.stdout


def test_what_is_run_elsewhere_is_named_there() -> None:
    assert set(ELSEWHERE) | set(SHORTENED) | set(EXITS) <= set(commands())
    assert "check" in (ROOT / ELSEWHERE["make check"]).read_text()
    assert "docker-compose.yml" in (ROOT / ELSEWHERE["docker compose up --build"]).read_text()


def test_the_port_table_is_the_codes() -> None:
    assert table("Ports") == [[str(port.default), port.variable, port.flag, port.what] for port in ports.TABLE]


def test_every_path_of_the_layout_exists() -> None:
    for path, _ in table("Layout"):
        assert (ROOT / path).exists(), path


def test_every_verb_is_in_the_table_of_commands(tmp_path: Path) -> None:
    shown = gauntlet("--help", env=environment(tmp_path)).stdout
    verbs = {line.split()[0] for line in shown.splitlines() if line.startswith("  ")}
    assert verbs == {name.split()[1] for name, *_ in table("Commands") if name.startswith("gauntlet ")}


def _here(command: str, numbers: dict[str, int]) -> str:
    """The command for this Python, these ports, and an exit code that tells an HTTP error."""
    command = SHORTENED.get(command, command)
    for port in ports.TABLE:
        command = command.replace(f":{port.default}/", f":{numbers[port.name]}/")
    return command.replace(".venv/bin/", f"{Path(sys.executable).parent}/").replace(
        "curl ", "curl --fail-with-body ", 1
    )


def _run(command: str, env: dict[str, str], exits: int) -> None:
    shell = ["sh", "-c", command]
    done = subprocess.run(shell, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == exits, f"{command}\n{done.stdout}{done.stderr}"
