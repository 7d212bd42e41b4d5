"""The stages as a run found them, noted where the next run looks: this one may be killed before it puts them back.

Read `world.py` next, which owes them.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from loadtests.books.run import RUNS

Stages = Mapping[str, bool]


class _Note(BaseModel, frozen=True):
    """How the stages were found, how they stood when it was written, and how they were to be switched then."""

    found: dict[str, bool]
    stood: dict[str, bool]
    switched: dict[str, bool]


def note(home: Path, service: str, *, found: Stages, stood: Stages, switched: Stages) -> None:
    """Before they are switched; whole or not at all. `service` is its base URL: each has a note of its own."""
    path = _path(home, service)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(_Note(found=dict(found), stood=dict(stood), switched=dict(switched)).model_dump_json() + "\n")
    fresh.replace(path)


def found(home: Path, service: str, now: Stages) -> dict[str, bool] | None:
    """How a run that was killed had found them; None when nothing is owed.

    Who switched a stage since then meant it, so what is owed is owed only while all are as that run left them.
    """
    try:
        left = _Note.model_validate_json(_path(home, service).read_bytes())
    except (OSError, ValidationError):
        return None
    owed = now in (left.switched, left.stood) and left.found.keys() == now.keys()
    return dict(left.found) if owed else None


def settle(home: Path, service: str) -> None:
    """They are as they were found."""
    _path(home, service).unlink(missing_ok=True)


def _path(home: Path, service: str) -> Path:
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", urlsplit(service).netloc)
    return home / RUNS / f".stages-{host}.json"
