"""Which pitfalls there are: a folder each, with a `pitfall.toml` and one application per form. Read `rig.py` next."""

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from door.errors import UsageError

FOLDER = Path(__file__).resolve().parent
FILE = "pitfall.toml"
LONGEST_S = 300.0


class _Strict(BaseModel):
    """A part of a file: unknown and missing fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Form(_Strict):
    """One way to write it: `name` is its file without `.py`, `replicas` how many processes serve it."""

    name: str
    words: str
    replicas: int = 1
    store: bool = False


class Number(_Strict):
    """The figure that gives it away (`figure` names one of the run's), and the form whose figure is to be guessed.

    `asked` is the question, `{…}` in it are filled from what the run plans.
    """

    figure: str
    guessed: str = "before"
    asked: str


class Pitfall(_Strict):
    """One pitfall: what its file says, and `folder`, where it is. Times are in seconds of load."""

    folder: Path
    number: int
    title: str
    counts: str
    section: str
    run: str
    watch: str
    why: str
    attempt: str = Field(alias="try")
    for_s: float
    short_s: float
    asked: Number
    forms: tuple[Form, ...]

    @property
    def name(self) -> str:
        """Its folder without the number."""
        return self.folder.name.partition("_")[2]

    def form(self, name: str) -> Form:
        """The form of this name. Raises KeyError."""
        return {form.name: form for form in self.forms}[name]

    def lasting(self, for_s: float | None, *, short: bool) -> float:
        """How long the load lasts. Raises UsageError outside of what this pitfall needs to show anything."""
        if for_s is None:
            return self.short_s if short else self.for_s
        if short:
            raise UsageError("--short and --for both say how long it lasts; give one")
        if not self.short_s <= for_s <= LONGEST_S:
            raise UsageError(
                f"--for is {for_s:g} s; pitfall {self.number} shows itself in {self.short_s:g} to {LONGEST_S:g} s"
            )
        return for_s


@cache
def all_pitfalls() -> tuple[Pitfall, ...]:
    """All of them, in the chapter's order."""
    return tuple(_read(path) for path in sorted(FOLDER.glob(f"[0-9][0-9]_*/{FILE}")))


def named(word: str | int) -> Pitfall:
    """By number or name. Raises UsageError with those that exist."""
    for pitfall in all_pitfalls():
        if str(word).strip().lower() in (str(pitfall.number), pitfall.folder.name, pitfall.name):
            return pitfall
    known = ", ".join(f"{pitfall.number} {pitfall.name}" for pitfall in all_pitfalls())
    raise UsageError(f"there is no pitfall {str(word)!r}; there are {known}")


def _read(path: Path) -> Pitfall:
    told = tomllib.loads(path.read_text())
    return Pitfall(folder=path.parent, number=int(path.parent.name[:2]), **told)
