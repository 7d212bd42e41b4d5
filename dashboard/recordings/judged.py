"""What was expected of a run and what was measured: `verdict.json` (docs/recorded-runs.md). Read `keeping.py` next."""

from pathlib import Path

from pydantic import BaseModel, ValidationError, field_validator

from .listing import REPORT, VERDICT, Recording

TEN_THOUSAND = 10_000


class NoVerdict(ValueError):
    """There is a verdict, and it cannot be read; the words say why."""


class Expectation(BaseModel, frozen=True):
    """One expectation: its bound, what was measured, and the reason for it; `passed` None when it was not judged.

    `during` are the phases that count (none: all), `callers`, `kind` and `target` whom it is about (None: all).
    `said` is `measured` in words, with its unit.
    """

    measure: str
    bound: str = ""
    during: tuple[str, ...] = ()
    callers: str | None = None
    kind: str | None = None
    target: str | None = None
    measured: float | None = None
    said: str | None = None
    unit: str | None = None
    passed: bool | None = None
    why: str | None = None

    @field_validator("during", mode="before")
    @classmethod
    def _several(cls, given: object) -> object:
        return () if given is None else (given,) if isinstance(given, str) else given

    @property
    def name(self) -> str:
        """What was measured, of whom: `success share, anthropic, for quiet`."""
        words = [self.measure.replace("_", " "), self.target, self.kind and f"of {self.kind}"]
        return ", ".join(filter(None, (*words, self.callers and f"for {self.callers}")))

    @property
    def phases(self) -> str:
        """The phases that count."""
        return " and ".join(self.during) or "the whole run"

    @property
    def found(self) -> str:
        """What was measured, as text."""
        if self.said is not None:
            return self.said
        if self.measured is None:
            return "nothing"
        number = f"{self.measured:,.4g}" if abs(self.measured) < TEN_THOUSAND else f"{self.measured:,.0f}"
        return f"{number} {self.unit}" if self.unit else number


class Judged(BaseModel, frozen=True):
    """A verdict (`pass`, `fail` or `unknown`), why it could not be judged, and how the books are."""

    verdict: str
    reason: str | None = None
    expectations: tuple[Expectation, ...] = ()
    books: str | None = None


def judged(recording: Recording) -> Judged | None:
    """How a run was judged in detail; None when nobody wrote that down. Raises NoVerdict."""
    try:
        return Judged.model_validate_json((recording.folder / VERDICT).read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NoVerdict(f"{VERDICT} cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise NoVerdict(f"{VERDICT} cannot be read ({where + ': ' if where else ''}{first['msg']})") from error


def report(recording: Recording) -> Path | None:
    """The page that the load wrote about itself, if there is one."""
    path = recording.folder / REPORT
    return path if path.is_file() else None
