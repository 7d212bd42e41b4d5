"""Which files of a folder are documents: Markdown, read whole or named as a fault.

What cannot be seen is a fault, never merely absent: `gauntlet index` takes out of the corpus what is not here. Read
`index.py` next, which sends them.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from door.errors import UsageError

SUFFIXES = (".md", ".markdown")
MOST_BYTES = 1024 * 1024
"""Of one file; the service takes no larger document."""
FORBIDDEN = frozenset("#~\x7f") | frozenset(map(chr, range(32)))
"""Characters that no name in the corpus has."""
MOST_PATH = 500
"""Characters of a path in the corpus."""


@dataclass(frozen=True)
class File:
    """One file as it is sent: its name in the corpus, and its text."""

    path: str
    text: str
    sha256: str


def files_of(path: Path, name: str) -> tuple[list[File], list[str]]:
    """What is to be indexed, and links to folders, which are not followed.

    Raises UsageError for whatever cannot be read or looked into, with every fault in one message: what is merely not
    seen must not pass for gone.
    """
    found, linked, faults, base = [path], list[str](), list[str](), path.parent
    if not is_file(path):
        if not path.is_dir():
            raise UsageError(f"{path} is neither a file nor a folder")
        found, linked, faults = _walk(path)
        base = path
    files = list[File]()
    for file in found:
        try:
            files.append(_read(file, f"{name}/{file.relative_to(base).as_posix()}"))
        except (OSError, ValueError) as error:
            faults.append(f"{file}: {error.strerror if isinstance(error, OSError) else error}")
    if faults:
        raise UsageError("\n".join(["these cannot be indexed, so nothing was:", *faults]))
    if not files:
        raise UsageError(f"{path} has no Markdown ({', '.join(SUFFIXES)})")
    return files, linked


def is_file(path: Path) -> bool:
    """Whether there is a file. Raises UsageError where that cannot be told."""
    try:
        return path.is_file()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _walk(path: Path) -> tuple[list[Path], list[str], list[str]]:
    """The Markdown below a folder, links to folders in it, and faults; what is hidden is left out."""
    found, linked, faults = list[Path](), list[str](), list[str]()
    walk = os.walk(path, onerror=lambda error: faults.append(f"{error.filename}: {error.strerror}"))
    for folder, folders, names in walk:
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = (at for at in (Path(folder, name) for name in folders) if at.is_symlink())
        linked += [os.fsencode(at).decode(errors="backslashreplace") for at in links]
        files = (Path(folder, name) for name in names if not name.startswith("."))
        found += [file for file in files if file.suffix.lower() in SUFFIXES]
    return sorted(found), linked, faults


def fault_of(name: str) -> str:
    """Why the corpus cannot have a document of this name; "" if it can."""
    if FORBIDDEN & set(name):
        return "its name has one of the characters # and ~, or a control character; rename it"
    if any("\ud800" <= character <= "\udfff" for character in name):  # bytes that Python could not read
        return "its name is no UTF-8; rename it"
    if len(name) > MOST_PATH:
        return f"its path has {len(name)} characters with the name before it, and may have {MOST_PATH}; shorten it"
    return ""


def _read(file: Path, name: str) -> File:
    """Raises OSError and ValueError."""
    if fault := fault_of(name):
        raise ValueError(fault)
    if not file.exists():
        raise ValueError("it is a link that leads nowhere; mend or remove it")
    about = file.stat()
    if not stat.S_ISREG(about.st_mode):
        raise ValueError("it is no regular file; rename it")
    if about.st_size > MOST_BYTES:
        raise ValueError(f"{about.st_size:,} bytes, and a document has at most {MOST_BYTES:,}; split it into several")
    data = file.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8 text (byte {error.start:,}); convert it") from None
    if "\0" in text:
        raise ValueError("it holds NUL characters, so it is no text")
    return File(name, text, hashlib.sha256(text.encode()).hexdigest())
