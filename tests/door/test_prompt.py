"""The line of a drill: typed at a terminal while other things are printed, or written into a pipe."""

import os
import pty
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from door.prompt import CLEAR, Prompt
from tests.door.cli import eventually


@contextmanager
def terminal() -> Iterator[tuple[Prompt, StringIO, int]]:
    """A prompt at a terminal of its own; what it writes, and where to type."""
    ours, theirs = pty.openpty()
    written = StringIO()
    with os.fdopen(theirs, "rb", buffering=0) as source:
        yield Prompt(Console(file=written, force_terminal=True, width=40, color_system=None), source), written, ours
    os.close(ours)


def typed(prompt: Prompt, ours: int, keys: str) -> list[str]:
    """The lines that come of these keys; they all have arrived when the last one, a line's end, has."""
    os.write(ours, keys.encode())
    lines: list[str] = []

    def ended() -> bool:
        lines.extend(prompt.lines())
        return len(lines) >= keys.count("\n")

    eventually(ended, f"the lines of {keys!r}", bound_s=10)
    return lines


def test_keys_become_lines_and_can_be_taken_back_and_said_again() -> None:
    with terminal() as (prompt, _, ours), prompt:
        assert prompt.interactive
        assert typed(prompt, ours, "alarn\x7fm\n") == ["alarm"]
        assert typed(prompt, ours, "nonsense\x15status\n") == ["status"]
        assert typed(prompt, ours, "\x1b[A\n") == ["status"]
        assert typed(prompt, ours, "\x1b[D\x07größer\n") == ["größer"]


def test_what_is_printed_meanwhile_goes_above_the_half_typed_line() -> None:
    with terminal() as (prompt, written, ours), prompt:
        os.write(ours, b"diagn")
        eventually(lambda: prompt.lines() or "diagn" in written.getvalue(), "the keys are shown", bound_s=10)
        prompt.mark = "12 s > "
        prompt.print("Look at the circuits.")
        assert written.getvalue().endswith(f"{CLEAR}Look at the circuits.\n{CLEAR}12 s > diagn")


def test_the_terminal_is_afterwards_as_it_was_before() -> None:
    with terminal() as (prompt, written, ours):
        before = termios.tcgetattr(ours)
        with prompt:
            assert termios.tcgetattr(ours) != before
            prompt.close()
            assert termios.tcgetattr(ours) == before
            prompt.print("later")
        assert termios.tcgetattr(ours) == before
        assert written.getvalue().endswith(f"{CLEAR}later\n")


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_pipe_is_read_line_by_line_to_its_end_and_never_waited_for(end: str) -> None:
    reading, writing = os.pipe()
    written = StringIO()
    with os.fdopen(reading, "rb", buffering=0) as source:
        prompt = Prompt(Console(file=written, width=40), source)
        with prompt:
            assert prompt.lines() == []
            os.write(writing, b"alarm\ndia")
            assert prompt.lines() == ["alarm"]
            os.write(writing, f"gnose openai hang{end}".encode())
            os.close(writing)
            assert prompt.lines() == ["diagnose openai hang"]
            assert prompt.lines() == []
    assert written.getvalue() == "> alarm\n> diagnose openai hang\n"


def test_without_anybody_there_are_no_lines(tmp_path: Path) -> None:
    with Path("/dev/null").open("rb") as nobody, Prompt(Console(file=StringIO()), nobody) as prompt:
        assert prompt.lines() == []
        assert not prompt.interactive
