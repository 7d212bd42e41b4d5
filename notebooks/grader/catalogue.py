"""The exercises: a folder each, `NN_name`, with what is read of it. Read `check.py` next: how one is checked.

exercise.toml   title, about, section (of the chapter), minutes, concepts, defines (the names a learner's file must
                have), store (whether it needs Valkey), mutants (file -> the probe that must kill it)
README.md       the task        starter.py  where a learner begins        solution.py  one way to do it
probes.py       what is tried (with modules beside it, where that is long)
hints.toml      per probe: question, place, code
mutants/*.py    the solution with one bug each (`mutants.py`)
"""

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from .probe import Probe, probes_of

FOLDER = Path(__file__).parents[1] / "exercises"
LEVELS = ("question", "place", "code")
"""Of a hint: something to think about, where to look, what to write."""
FIELDS = {"title", "section", "minutes", "concepts", "defines", "store", "mutants", "about"}


class CatalogueError(Exception):
    """An exercise's folder lacks something, or says it wrongly."""


@dataclass(frozen=True)
class Exercise:
    """One exercise; `hints` is probe -> three texts, `mutants` file name -> probe."""

    number: int
    name: str
    folder: Path
    title: str
    about: str
    section: str
    minutes: int
    concepts: tuple[str, ...]
    defines: tuple[str, ...]
    store: bool
    mutants: Mapping[str, str]
    probes: tuple[Probe, ...] = field(repr=False)
    hints: Mapping[str, tuple[str, str, str]] = field(repr=False)

    @property
    def label(self) -> str:
        """`06_retry`."""
        return f"{self.number:02}_{self.name}"

    def probe(self, name: str) -> Probe:
        """A probe by its name. Raises KeyError."""
        for one in self.probes:
            if one.name == name:
                return one
        raise KeyError(name)


def exercises(folder: Path = FOLDER) -> list[Exercise]:
    """All of a folder, by number."""
    return [load(one) for one in sorted(folder.iterdir()) if one.is_dir() and one.name[:2].isdigit()]


@cache
def load(folder: Path) -> Exercise:
    """An exercise. Raises CatalogueError with what is missing or unknown."""
    number, _, name = folder.name.partition("_")
    try:
        told = tomllib.loads((folder / "exercise.toml").read_text(encoding="utf-8"))
        hints = tomllib.loads((folder / "hints.toml").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{folder.name}: {error}") from error
    if unknown := set(told) - FIELDS:
        raise CatalogueError(f"{folder.name}/exercise.toml: unknown {sorted(unknown)}; there are {sorted(FIELDS)}")
    if missing := FIELDS - {"store", "mutants"} - set(told):
        raise CatalogueError(f"{folder.name}/exercise.toml: {sorted(missing)} missing")
    probes = probes_of(_probes(folder))
    return Exercise(
        number=int(number),
        name=name,
        folder=folder,
        title=told["title"],
        about=told["about"],
        section=told["section"],
        minutes=told["minutes"],
        concepts=tuple(told["concepts"]),
        defines=tuple(told["defines"]),
        store=told.get("store", False),
        mutants=told.get("mutants", {}),
        probes=probes,
        hints={one.name: _hints(folder, one.name, hints) for one in probes},
    )


def _hints(folder: Path, probe: str, hints: Mapping[str, Any]) -> tuple[str, str, str]:
    try:
        question, place, code = (str(hints[probe][level]).strip() for level in LEVELS)
    except KeyError as error:
        raise CatalogueError(f"{folder.name}/hints.toml: [{probe}] lacks {error}") from error
    return question, place, code


def _probes(folder: Path) -> ModuleType:
    """The folder's probes.py, as a module of a package, so that a large one may have others beside it."""
    if not (folder / "probes.py").exists():
        raise CatalogueError(f"{folder.name}: there is no probes.py")
    package = ModuleType(f"exercise_{next(_NUMBERS)}")
    package.__path__ = [str(folder)]
    sys.modules[package.__name__] = package
    return import_module(f"{package.__name__}.probes")


_NUMBERS = count(1)
