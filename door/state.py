"""What is up, written to `.gauntlet/up.json` for `down`, `ask`, `doctor` and a second `up`. Read `processes.py` next.

A process is named by pid and start time, so that a pid that the kernel gave to a stranger is not taken for ours.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from door.home import UP_STATE


@dataclass(frozen=True)
class ProcessName:
    """One process for ever: `started_s` is its start in Unix seconds as psutil tells it."""

    name: str
    pid: int
    started_s: float


@dataclass(frozen=True)
class UpState:
    """The supervisor, the leaders of the parts' process groups, and where each part is reached."""

    supervisor: ProcessName
    ready: bool = False
    urls: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[ProcessName, ...] = ()


def write(home: Path, state: UpState) -> None:
    """Replace the state file in one step, so that a reader never sees half of it."""
    fresh = home / f"{UP_STATE}.new"
    fresh.write_text(json.dumps(asdict(state), indent=2) + "\n")
    fresh.replace(home / UP_STATE)


def read(home: Path) -> UpState | None:
    """The state last written; None when there is none or when it cannot be understood."""
    try:
        raw = json.loads((home / UP_STATE).read_text())
        return UpState(
            supervisor=ProcessName(**raw["supervisor"]),
            ready=raw["ready"],
            urls=raw["urls"],
            parts=tuple(ProcessName(**part) for part in raw["parts"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def clear(home: Path) -> None:
    """Forget: nothing of ours runs any more."""
    (home / UP_STATE).unlink(missing_ok=True)
