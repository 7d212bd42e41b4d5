"""What `gauntlet load NAME --json` says, a JSON object a line, and what it is told. Read `child.py` next.

`started` first, `progress` each second, `judging` when the load has ended, `verdict` at the end; or `refused` instead
of all. On its standard input it takes `scale FACTOR` (of the planned rate) and `stop`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, FiniteFloat, TypeAdapter, ValidationError

from ..recordings.judged import Expectation

LEAST_SCALE, MOST_SCALE = 0.1, 10.0
STOP = b"stop\n"


class Phase(BaseModel, frozen=True):
    """A part of the scenario, in seconds since its begin."""

    name: str
    at_s: FiniteFloat
    for_s: FiniteFloat


class Started(BaseModel, frozen=True):
    """It runs: `run` is the id under which it is kept."""

    event: Literal["started"]
    run: str
    scenario: str
    title: str = ""
    seed: int | None = None
    lasts_s: FiniteFloat
    phases: tuple[Phase, ...] = ()


class Progress(BaseModel, frozen=True):
    """How it goes `at_s` seconds after its begin; shares and p95 are None while there is nothing to measure."""

    event: Literal["progress"]
    at_s: FiniteFloat
    phase: str | None = None
    faults: tuple[str, ...] = ()
    sent: int = 0
    rate_per_s: FiniteFloat = 0.0
    success_share: FiniteFloat | None = None
    degraded_share: FiniteFloat | None = None
    p95_ms: FiniteFloat | None = None
    in_flight: int = 0
    scale: FiniteFloat = 1.0


class Judging(BaseModel, frozen=True):
    """The load has ended; the books are being compared."""

    event: Literal["judging"]


class Verdict(BaseModel, frozen=True):
    """Whether the promises held; `report` is the path of its HTML report."""

    event: Literal["verdict"]
    run: str
    verdict: Literal["pass", "fail", "unknown"]
    reason: str | None = None
    expectations: tuple[Expectation, ...] = ()
    books: str | None = None
    report: str | None = None

    @property
    def failed(self) -> tuple[Expectation, ...]:
        """The expectations that did not hold."""
        return tuple(one for one in self.expectations if one.passed is False)


class Refusal(BaseModel, frozen=True):
    """It does not run, and says why."""

    event: Literal["refused"]
    reason: str


Event = Started | Progress | Judging | Verdict | Refusal
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def heard(line: bytes) -> Event | None:
    """What a line says; None when it is not of this protocol."""
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None


def scale(factor: float) -> bytes:
    """The line that changes the rate to so many times the planned one."""
    return f"scale {min(max(factor, LEAST_SCALE), MOST_SCALE):g}\n".encode()
