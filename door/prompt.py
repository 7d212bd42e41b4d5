"""A line that a person types while other things are printed, and the same for a script that writes into a pipe.

Nothing here waits: whoever runs asks many times a second for what was typed. On a terminal every key is read as it
comes, so that what is printed meanwhile can go above the line. Read `drill.py` next: who plays.
"""

import codecs
import os
import select
import sys
import termios
import tty
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any, Self

from rich.console import Console, RenderableType

CLEAR = "\r\x1b[K"
ENTER, BACKSPACE, ERASE, ESCAPE, END = "\r\n", "\x08\x7f", "\x15", "\x1b", "\x04"
UP = "[A"
MOST_BYTES = 4096


class Prompt:
    """`mark` stands before the line. `interactive`: both ends are a terminal; else lines are printed as they come."""

    def __init__(self, console: Console, source: IO[Any] | None = None) -> None:
        self._console = console
        self._fd = (source or sys.stdin).fileno()
        self.interactive = console.is_terminal and os.isatty(self._fd)
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._before: list[Any] | None = None
        self._typed = self._last = ""
        self._escape: str | None = None
        self._ended = False
        self.mark = "> "

    def __enter__(self) -> Self:
        if self.interactive:
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)
            self.draw()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """No more line: the terminal is as it was before."""
        if self._before is not None:
            self._write(CLEAR)
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
            self._before = None

    def lines(self) -> Sequence[str]:
        """The lines that were ended since the last time; none once nobody types any more."""
        lines: list[str] = []
        while not self._ended and select.select([self._fd], [], [], 0)[0]:
            read = os.read(self._fd, MOST_BYTES)
            self._ended = not read
            for key in self._decode(read, final=not read):
                if (line := self._key(key)) is not None:
                    lines.append(line)
            if self._ended and self._typed and not self.interactive:
                lines.append(self._take())
        self.draw()
        return lines

    def print(self, what: RenderableType) -> None:
        """Above the line."""
        if self._before is not None:
            self._write(CLEAR)
        self._console.print(what)
        self.draw()

    def draw(self) -> None:
        """The line as it stands, its end when it is too long."""
        if self._before is None:
            return
        room = max(self._console.width - len(self.mark) - 1, 1)
        self._write(f"{CLEAR}{self.mark}{self._typed[-room:]}")

    def _key(self, key: str) -> str | None:
        """A line when this key ends one."""
        if self._escape is not None:
            self._escape += key
            if key.isalpha() or key == "~":
                self._typed = self._last if self._escape == UP else self._typed
                self._escape = None
        elif key in ENTER:
            return self._take()
        elif not self.interactive:
            self._typed += key
        elif key == ESCAPE:
            self._escape = ""
        elif key in BACKSPACE:
            self._typed = self._typed[:-1]
        elif key == ERASE:
            self._typed = ""
        elif key.isprintable():
            self._typed += key
        return None

    def _take(self) -> str:
        line, self._typed = self._typed, ""
        self._last = line or self._last
        if self._before is not None:
            self._write(f"{CLEAR}{self.mark}{line}\n")
        elif line:
            self._console.print(f"{self.mark}{line}", markup=False, soft_wrap=True)
        return line

    def _write(self, text: str) -> None:
        self._console.file.write(text)
        self._console.file.flush()
