"""Three processes share the tests (`make test`), file by file; what needs the machine for itself gets it.

Tests with the mark `alone` come first, and while one of them runs no other test does: they put load on or take a time,
and what they measure would be of two tests at once. Without `-n` they merely come first.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

TOGETHER = {"tests/loadtests/test_refutations.py": "tests/loadtests/test_scenarios.py"}
"""Files whose runs are shared (`tests/loadtests/lanes.py`), so that one process must have both."""
LONG = ("test_notebooks.py", "test_readme.py", "test_browser.py")
"""Files of minutes that cannot be shared."""


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """A file at a time, in the order in which they stand."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return TOGETHER.get(file, file)


class Turns:
    """Whose turn it is, among the processes of one session.

    Whoever waits for all others holds the gate, so that nobody passes him meanwhile.
    """

    def __init__(self, session: str) -> None:
        folder = Path(tempfile.gettempdir())
        self._paths = [folder / f"gauntlet-{session}.{name}" for name in ("gate", "turn")]
        self._gate, self._turn = map(_opened, self._paths)
        self._held = False

    def begin(self, *, alone: bool) -> None:
        """Wait until it is ours, unless it already is."""
        if self._held:
            return
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        fcntl.flock(self._turn, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(self._gate, fcntl.LOCK_UN)
        self._held = True

    def end(self) -> None:
        """Let the others go on."""
        fcntl.flock(self._turn, fcntl.LOCK_UN)
        self._held = False

    def close(self) -> None:
        """Nobody waits any more."""
        for file in (self._gate, self._turn):
            file.close()
        for path in self._paths:
            path.unlink(missing_ok=True)


class Plugin:
    """Of a process that runs tests beside another."""

    def __init__(self, session: str) -> None:
        self._turns = Turns(session)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
        """Waiting is no part of a test, so its time-out begins after it."""
        self._turns.begin(alone=is_alone(item))
        try:
            return (yield)
        finally:
            if nextitem is None or not (is_alone(item) and is_alone(nextitem)):
                self._turns.end()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Tidy up, when the fixtures have ended."""
        self._turns.close()


def is_alone(item: pytest.Item) -> bool:
    """Whether it needs the machine for itself."""
    return item.get_closest_marker("alone") is not None


def _opened(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb")
