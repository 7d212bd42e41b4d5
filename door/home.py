"""Where state and logs live: `.gauntlet/` in the checkout, or where GAUNTLET_HOME says. Read `state.py` next."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from door.console import command_name
from door.errors import DoorError

ROOT = Path(__file__).resolve().parent.parent
"""The checkout; the parts run in it, so that `gauntlet.toml` is found there."""

VALKEY = "valkey"
AGENT = "agent"
COLLECTOR = "collector"
LOGS = "logs"
RUNS = "runs"
UP_STATE = "up.json"
LOCK = "up.lock"
STATE = (VALKEY, AGENT, COLLECTOR, LOGS, UP_STATE)
"""What `reset` deletes. Only these names: GAUNTLET_HOME may point into a folder that holds other things."""


class AlreadyUp(DoorError):
    """Another `gauntlet up` holds this home."""


def find(environ: Mapping[str, str]) -> Path:
    """The home folder as an absolute path; it need not exist yet."""
    return Path(environ.get("GAUNTLET_HOME") or ROOT / ".gauntlet").absolute()


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Own the home while the block runs; the kernel lets go when the process ends, however it ends.

    Raises AlreadyUp when another process owns it, DoorError when the folder cannot be written.
    """
    with _writing(home):
        home.mkdir(parents=True, exist_ok=True)
        handle = (home / LOCK).open("a")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUp(f"an up is running with its state in {home}; `{command_name()} down` ends it") from None
        yield


def fresh_log(logs: Path, name: str) -> Path:
    """An empty log file for this run; that of the run before gets the ending `.1`, whoever still writes to it."""
    log = logs / f"{name}.log"
    with _writing(logs):
        logs.mkdir(parents=True, exist_ok=True)
        if log.exists():
            log.replace(logs / f"{name}.log.1")
        log.touch()
    return log


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DoorError(f"cannot write to {folder} ({error.strerror}); GAUNTLET_HOME names another folder") from error
