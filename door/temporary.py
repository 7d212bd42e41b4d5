"""Folders that live as long as a block runs. Those of processes that were killed meanwhile, the next one deletes.

Who holds a folder is known to the kernel (`home.py`), so none is taken from somebody who lives. Read `workbench.py`
next.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from door import home as homes
from door import running
from door.errors import DoorError

PREFIX = "gauntlet-"
"""How the names begin; short, since the path of a socket in it has at most 104 bytes on macOS."""
MARK = ".temporary"
"""A file in each of them: others' folders may begin with the same letters."""


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A folder of our own, held and in the end deleted. Raises DoorError where none can be made."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with homes.hold(folder):
            (folder / MARK).touch()
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Delete what killed processes left: nobody holds it, and no process of theirs lives."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not (folder / MARK).exists():  # not one of ours, or one that is only just being made
            continue
        with suppress(DoorError), homes.hold(folder):
            running.refuse_leftovers(folder)
            shutil.rmtree(folder, ignore_errors=True)
