"""The newest audit that `gauntlet audit` kept, read from the folder beside the recorded runs (docs/audit.md).

Live evidence is what happened by itself; an audit tried on purpose to break each promise. Read `../views/audit.py`
next: how it is shown.
"""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ValidationError

from ..look.palette import DARK_GREY, GREEN, VERMILLION

FORM = 1


class Verdict(StrEnum):
    """Of a claim, and of an item."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNOBSERVABLE = "unobservable"


SIGNS = {Verdict.PROVED: "✓", Verdict.REFUTED: "✗", Verdict.UNOBSERVABLE: "?"}
COLOURS = {Verdict.PROVED: GREEN, Verdict.REFUTED: VERMILLION, Verdict.UNOBSERVABLE: DARK_GREY}


class Unreadable(ValueError):
    """There is an audit, and it cannot be read; the words say why."""


class Claim(BaseModel, frozen=True):
    """One thing that was tried."""

    verdict: Verdict
    words: str


class Audited(BaseModel, frozen=True):
    """One item; `needs` is what would have made the rest of it observable."""

    number: int
    promise: str
    verdict: Verdict
    claims: tuple[Claim, ...] = ()
    needs: tuple[str, ...] = ()


class Audit(BaseModel, frozen=True):
    """A whole audit; times in Unix seconds."""

    form: int
    service: str
    began: float
    ended: float
    items: tuple[Audited, ...]
    notes: tuple[str, ...] = ()
    command: str = ""

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many items have each verdict."""
        return {verdict: sum(item.verdict is verdict for item in self.items) for verdict in Verdict}


def newest(folder: Path) -> Audit | None:
    """The audit that was kept last; None when there is none. Raises Unreadable."""
    kept = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    if not kept:
        return None
    path = kept[-1]
    try:
        audit = Audit.model_validate_json(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"{path} cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Unreadable(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if audit.form != FORM:
        raise Unreadable(f"{path} has the form {audit.form}; this page reads {FORM}")
    return audit
