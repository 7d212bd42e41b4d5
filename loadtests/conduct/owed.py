"""The stages as a run found them, noted where the next run looks: this one may be killed before it puts them back.

Read `world.py` next, which owes them.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ValidationError

from loadtests.books.run import RUNS

NOTE = ".stages.json"


class _Note(BaseModel, frozen=True):
    """Of the service at that URL: how the stages were found, and how they were switched."""

    service: str
    found: dict[str, bool]
    switched: dict[str, bool]


def note(home: Path, service: str, found: Mapping[str, bool], switched: Mapping[str, bool]) -> None:
    """Before they are switched; whole or not at all."""
    path = _path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"service": service, "found": dict(found), "switched": dict(switched)}) + "\n")
    fresh.replace(path)


def found(home: Path, service: str, now: Mapping[str, bool]) -> dict[str, bool] | None:
    """How a run that was killed had found them; None when nothing is owed.

    Who switched a stage since then meant it, so what is owed is owed only while all are as that run left them.
    """
    try:
        left = _Note.model_validate_json(_path(home).read_bytes())
    except (OSError, ValidationError):
        return None
    owed = left.service == service and left.switched == now and left.found.keys() == now.keys()
    return dict(left.found) if owed else None


def settle(home: Path) -> None:
    """They are as they were found."""
    with suppress(FileNotFoundError):
        _path(home).unlink()


def _path(home: Path) -> Path:
    return home / RUNS / NOTE
