"""How the verbs print: colours on a terminal only, and the name under which a person can call us again."""

import os
import shutil
import sys
from functools import cache
from pathlib import Path

from rich.console import Console


@cache
def console() -> Console:
    """Standard output; rich leaves colours out when it is no terminal or NO_COLOR is set."""
    return Console(highlight=False)


PIPE_WIDTH = 10_000


def roomy_console() -> Console:
    """The same for tables of many columns: where it is no terminal and COLUMNS says nothing, a line may be long."""
    out = console()
    return out if out.is_terminal or os.environ.get("COLUMNS") else Console(highlight=False, width=PIPE_WIDTH)


@cache
def command_name() -> str:
    """`gauntlet` when the shell finds ours, else the path of the one beside the running Python."""
    own = Path(sys.executable).parent / "gauntlet"
    found = shutil.which("gauntlet")
    if found and Path(found).resolve() == own.resolve():
        return "gauntlet"
    return os.path.relpath(own)
