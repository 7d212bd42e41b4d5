"""`gauntlet scenarios`: which runs are made, how many at a time, and what is made of their verdicts.

The runs themselves are those of tests/loadtests/test_scenarios.py; here the test plays `gauntlet load`.
"""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from door import scenarios
from door.errors import UsageError

PASSED: dict[str, Any] = {
    "event": "verdict",
    "verdict": "pass",
    "reason": None,
    "expectations": [],
    "books": "balanced",
}


class Loads:
    """Plays `gauntlet load`; notes which ran at the same time."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}
        self.commands: list[list[str]] = []
        self.beside: set[frozenset[str]] = set()
        self._running: list[str] = []
        self._lock = threading.Lock()
        self.together = threading.Barrier(1)

    def run(self, command: list[str], **given: Any) -> subprocess.CompletedProcess[str]:
        name = command[4]
        with self._lock:
            self.commands.append(command[3:])
            self._running.append(name)
            self.beside.add(frozenset(self._running))
        if name in ("faq", "steady"):
            self.together.wait(30)
        with self._lock:
            self._running.remove(name)
        said = self.said.get(name, json.dumps(PASSED))
        if said == "never":
            raise subprocess.TimeoutExpired(command, given["timeout"])
        return subprocess.CompletedProcess(command, 0, f'{{"event": "began"}}\n{said}\n', "an error\n")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Loads:
    loads = Loads()
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", loads.run)
    return loads


def test_each_runs_with_each_seed_and_what_is_loud_runs_alone(loads: Loads, capsys: pytest.CaptureFixture[str]) -> None:
    loads.together = threading.Barrier(2)
    assert scenarios.run(["spike", "faq", "steady", "herd", "--seeds", "7,8", "--lanes", "2"]) == 0
    assert sorted((command[1], command[4]) for command in loads.commands) == sorted(
        (name, seed) for name in ("spike", "faq", "steady", "herd") for seed in ("7", "8")
    )
    assert frozenset(("faq", "steady")) in loads.beside
    assert not any(len(some) > 1 and some & {"spike", "herd"} for some in loads.beside)
    assert all("--for" not in command for command in loads.commands)
    shown = capsys.readouterr().out
    assert "8 of 8" in shown
    assert shown.count("PASS") == 8


def test_short_is_as_short_as_in_the_tests(loads: Loads) -> None:
    assert scenarios.run(["spike", "--short", "--seeds", "7"]) == 0
    assert loads.commands[0][-2:] == ["--for", "26"]


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (
            {
                **PASSED,
                "verdict": "fail",
                "books": "differences",
                "books_said": "a call",
                "expectations": [{"measure": "calls", "said": "9", "bound": "<= 4", "passed": False}],
            },
            1,
            ["calls is 9, <= 4", "books: differences a call"],
        ),
        ({**PASSED, "verdict": "unknown", "reason": "the load generator is saturated"}, 2, ["saturated"]),
        ({"event": "refused", "reason": "no port is free"}, 2, ["no port is free"]),
        ("", 2, ["an error"]),
        ("never", 2, ["it did not end within"]),
    ],
)
def test_what_did_not_pass_says_why(
    loads: Loads, capsys: pytest.CaptureFixture[str], said: Any, code: int, words: list[str]
) -> None:
    loads.said["herd"] = said if isinstance(said, str) else json.dumps(said)
    assert scenarios.run(["herd", "both-down", "--seeds", "7"]) == code
    shown = capsys.readouterr().out
    assert all(word in shown for word in words)
    assert shown.count("PASS") == 1, "the other one passed all the same"


def test_a_name_that_nobody_knows_is_refused_with_those_there_are(loads: Loads) -> None:
    with pytest.raises(UsageError, match=r"no scenario is named nope; there are .*spike"):
        scenarios.run(["nope"])
    assert loads.commands == []
