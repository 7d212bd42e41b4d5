"""The learner's file, loaded as often as there are replicas, and where in it something happened.

A replica is the file run once more, under another name: what it keeps in memory is its own, as in another process.
Read `child.py` next.
"""

import ast
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from types import FrameType, ModuleType, TracebackType

_NUMBERS = count(1)


class Unusable(Exception):
    """The file cannot be run at all: `kind` is syntax, import or missing."""

    def __init__(self, kind: str, words: str, where: str = "") -> None:
        super().__init__(words)
        self.kind, self.words, self.where = kind, words, where


class Learner:
    """The file of a learner, and the names that it must define."""

    def __init__(self, file: Path, defines: Sequence[str]) -> None:
        self.file, self.defines = file, tuple(defines)
        self._read: str | None = None
        """Read once, so that who saves in the middle of a check is not judged by a mixture of two files."""

    def load(self, hash_seed: int | None = None) -> ModuleType:
        """The file, run once more. Raises Unusable with what is wrong and where.

        With a `hash_seed` its `hash` is that of another process: each has another one for texts.
        """
        source = self._source()
        try:
            code = compile(source, str(self.file), "exec")
        except SyntaxError as error:
            shown = (error.text or "").rstrip()
            pointer = " " * max(0, (error.offset or 1) - 1) + "^"
            raise Unusable("syntax", f"line {error.lineno}: {error.msg}", f"{shown}\n{pointer}") from None
        name = f"learner_{next(_NUMBERS)}"
        module = ModuleType(name)
        module.__file__ = str(self.file)
        if hash_seed is not None:
            vars(module)["hash"] = partial(_hash, hash_seed)
        sys.modules[name] = module  # dataclasses look their module up
        try:
            exec(code, vars(module))  # noqa: S102
        except (Exception, SystemExit) as error:
            raise Unusable("import", said(error), self.line_of(error)) from error
        if missing := [one for one in self.defines if not hasattr(module, one)]:
            raise Unusable("missing", f"it defines no {', no '.join(missing)}")
        return module

    def line_of(self, error: BaseException) -> str:
        """`line 31: return await call(messages)`: the learner's innermost line under an error; empty without one."""
        found = [frame for frame in _frames(error.__traceback__) if frame[0] == str(self.file)]
        return self.line(found[-1][1]) if found else ""

    def line_in(self, frames: Iterable[FrameType]) -> str:
        """The same of a stack's frames, innermost last."""
        found = [frame.f_lineno for frame in frames if frame.f_code.co_filename == str(self.file)]
        return self.line(found[-1]) if found else ""

    def line(self, number: int) -> str:
        """`line 31: ` and what stands there."""
        lines = self._source().splitlines()
        there = lines[number - 1].strip() if 0 < number <= len(lines) else ""
        return f"line {number}: {there}"

    def is_own(self, frame: FrameType | None) -> bool:
        """Whether a frame is of the learner's file."""
        return frame is not None and frame.f_code.co_filename == str(self.file)

    def _source(self) -> str:
        if self._read is None:
            self._read = self._text()
        return self._read

    def _text(self) -> str:
        try:
            return self.file.read_text(encoding="utf-8")
        except OSError as error:
            raise Unusable("syntax", f"{self.file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise Unusable("syntax", f"the file is no UTF-8 text: {error.reason} at byte {error.start}") from error


def imports_of(file: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    given = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in plain | given}


def said(error: BaseException) -> str:
    """`KeyError: 'x'`, in one line."""
    words = " ".join("".join(traceback.format_exception_only(error)).split())
    return re.sub(r"^(?:\w+\.)+(?=\w+(?::|$))", "", words)


def _hash(seed: int, value: object) -> int:
    return hash(value) if isinstance(value, int | float) else hash((seed, value))


def _frames(trace: TracebackType | None) -> list[tuple[str, int]]:
    return [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(trace)]
