"""`gauntlet reset`: forget every conversation, limit and log. Read `home.py` next."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence

from door import home, processes, state
from door.errors import DoorError


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when the state is gone, 1 when the person said no. Raises DoorError while something is up."""
    flags = argparse.ArgumentParser(prog="gauntlet reset", description="Delete the state and logs in .gauntlet.")
    flags.add_argument("--yes", action="store_true", help="do not ask")
    args = flags.parse_args(argv)
    folder = home.find(os.environ)
    with home.hold(folder):
        up = state.read(folder)
        if up and any(processes.group_members(part) for part in up.parts):
            raise DoorError("parts of a killed up still run; `gauntlet down` ends them")
        found = [folder / name for name in home.STATE if (folder / name).exists()]
        if not found:
            print(f"nothing to delete in {folder}")
            return 0
        if not args.yes and not _confirmed(f"Delete {', '.join(path.name for path in found)} in {folder}?"):
            print("nothing deleted")
            return 1
        for path in found:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    print(f"deleted {', '.join(path.name for path in found)}")
    return 0


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise DoorError(f"{question} There is nobody to ask; repeat with --yes")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
