"""The runs of a folder: which there are, and which cannot be read and why. Read `replay.py` next.

A run is looked at once for each change of its files, so that a page may ask every second.
"""

import shutil
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from pydantic import BaseModel, Field, ValidationError

ABOUT = "run.json"
REQUESTS = "requests.parquet"
ATTEMPTS = "attempts.parquet"
EVENTS = "events.json"
BOOK = "client.jsonl"
VERDICT = "verdict.json"
PREDICTION = "prediction.json"
REPORT = "report.html"
FILES = (ABOUT, REQUESTS, ATTEMPTS, EVENTS, BOOK)

HIDDEN = "."
"""Folders of this beginning are being written or deleted: no runs."""

NEEDED = {
    REQUESTS: {
        *("t", "time", "duration_ms", "endpoint", "outcome", "source"),
        *("first_token_ms", "cost_nano_usd", "saved_nano_usd"),
    },
    ATTEMPTS: {"time", "t_ms", "duration_ms", "target", "status", "endpoint"},
}
"""The columns that the roll-up reads."""

LONGEST_RUN_S = 7 * 24 * 3600.0
"""What claims to have lasted longer is taken for a mistake."""


EARLIEST, LATEST = 946_684_800.0, 4_102_444_800.0
"""2000 and 2100 in Unix seconds: what is outside is milliseconds, or a mistake."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One run; `began` and `ended` in Unix seconds, `ended` None while it runs, or when it was killed.

    `verdict` is `pass`, `fail`, `unknown` (could not be judged) or None (nobody judged). Without rows
    (`has_rows`) only its books are there. `stamp` changes with any of its files. `ships`: it is of the project, and
    nobody deletes it.
    """

    folder: Path
    id: str
    label: str
    began: float
    ended: float | None
    seed: int | None
    command: str
    scenario: str | None
    verdict: str | None
    versions: tuple[tuple[str, str], ...]
    stages_off: tuple[str, ...]
    notes: tuple[str, ...]
    has_rows: bool
    stamp: tuple[int, ...]
    ships: bool = False

    @property
    def width_s(self) -> float | None:
        """How long it lasted; None when that is not known."""
        return None if self.ended is None else self.ended - self.began


@dataclass(frozen=True, slots=True)
class Broken:
    """A folder that is no run that can be read, and why."""

    folder: Path
    why: str


Moment = Annotated[float, Field(ge=EARLIEST, le=LATEST, allow_inf_nan=False)]


class _About(BaseModel):
    """`run.json`, as far as it is read; the folder's name is the id."""

    began: Moment
    ended: Moment | None = None
    seed: int | None = None
    command: str = ""
    label: str | None = None
    scenario: str | None = None
    verdict: str | None = None
    versions: dict[str, str] | None = None
    stages_off: list[str] | None = None
    notes: list[str] | None = None


def recordings(folder: Path, shipped: Path | None = None) -> tuple[list[Recording], list[Broken]]:
    """The runs, the one that began last first, and what is there but no run that can be read, by name.

    Those of `shipped`, which come with the project, stand last; one of the same id in `folder` is taken for it.
    """
    found = _all(folder, ships=False)
    runs = [one for one in found if isinstance(one, Recording)]
    ids = {one.id for one in runs}
    there = [] if shipped is None else _all(shipped, ships=True)
    runs += [one for one in there if isinstance(one, Recording) and one.id not in ids]
    runs.sort(key=lambda run: (not run.ships, run.began, run.id), reverse=True)
    broken = [one for one in (*found, *there) if isinstance(one, Broken)]
    return runs, sorted(broken, key=lambda one: one.folder.name)


def delete(recording: Recording) -> None:
    """Delete its folder with everything in it, the books too.

    Raises OSError when that cannot be done, ValueError for a run that ships.
    """
    if recording.ships:
        raise ValueError(f"{recording.id} ships with the project: it is not deleted here")
    going = recording.folder.with_name(f"{HIDDEN}gone-{uuid.uuid4().hex}")
    recording.folder.rename(going)  # at once: half of a run is never listed
    shutil.rmtree(going)


def _all(folder: Path, *, ships: bool) -> list[Recording | Broken]:
    try:
        folders = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(HIDDEN)]
    except OSError:
        return []
    return [_read(path, stamp_of(path), ships) for path in folders]


def stamp_of(folder: Path) -> tuple[int, ...]:
    """When its files were changed and how large they are; zeros for what is not there."""
    stamp: list[int] = []
    for name in FILES:
        try:
            about = (folder / name).stat()
        except OSError:
            stamp += (0, 0)
        else:
            stamp += (about.st_mtime_ns, about.st_size)
    return tuple(stamp)


@lru_cache(maxsize=1024)
def _read(folder: Path, stamp: tuple[int, ...], ships: bool) -> Recording | Broken:
    try:
        return _checked(folder, stamp, ships)
    except FileNotFoundError as error:
        return Broken(folder, f"there is no {Path(str(error.filename)).name} in it")
    except OSError as error:
        return Broken(folder, f"cannot be read ({error.strerror or type(error).__name__})")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        return Broken(folder, f"{ABOUT}: {where + ': ' if where else ''}{first['msg']}")
    except ValueError as error:
        return Broken(folder, str(error))


def _checked(folder: Path, stamp: tuple[int, ...], ships: bool) -> Recording:
    about = _About.model_validate_json((folder / ABOUT).read_bytes())
    if about.ended is not None and not 0 <= about.ended - about.began <= LONGEST_RUN_S:
        raise ValueError(f"{ABOUT}: ended is {about.ended - about.began:g} s after began; expected up to a week")
    has_rows = (folder / REQUESTS).exists()
    if has_rows and about.ended is None:
        raise ValueError(f"{ABOUT}: ended is missing; a run with {REQUESTS} has ended")
    if has_rows:
        for name, columns in NEEDED.items():
            _check_parquet(folder / name, columns)
    return Recording(
        folder,
        folder.name,
        about.label or about.scenario or about.command or folder.name,
        about.began,
        about.ended,
        about.seed,
        about.command,
        about.scenario,
        about.verdict,
        tuple((about.versions or {}).items()),
        tuple(about.stages_off or ()),
        tuple(about.notes or ()),
        has_rows,
        stamp,
        ships,
    )


def _check_parquet(path: Path, columns: set[str]) -> None:
    try:
        with path.open("rb") as file:
            there = pq.read_schema(file).names
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path.name} is no Parquet, or not all of it") from error
    if missing := sorted(columns.difference(there)):
        raise ValueError(f"{path.name} lacks the columns {', '.join(missing)}")
