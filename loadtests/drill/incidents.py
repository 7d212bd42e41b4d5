"""What may happen in a drill, and what a seed chooses of it: the incident, its parameters, the moment.

The incidents are data, in `incidents.toml`: what is broken, which stages a colleague left off, what is seen and where,
and what makes it well. Read `objective.py` next: when it is well.
"""

import random
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from loadtests.drill.kinds import kind_of

FILE = Path(__file__).with_name("incidents.toml")
EARLIEST, LATEST = 0.2, 0.45
"""The moment, as shares of the drill: there is something to compare with before it, and time to act after it."""
BEYOND_S = 5.0
"""The fault is ended when the drill is; if somebody kills the drill, it ends by itself so much later."""

Text = Annotated[str, Field(min_length=20)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Incident(_Strict):
    """One incident. `shares` and the lists in `params` are what the seed chooses from.

    `off`: stages that are off from the beginning, `route`: what the load asks for then; nobody is told of either.
    `notice`, `find` and `helps` are said in practice: where it shows that something is wrong, where it shows what, and
    what makes it well. `seen` and `why` are the debrief's, with the dashboard's `page`. `cures` are the player's lines
    of which one is enough; none: the stages do it.
    """

    name: str
    title: str
    target: Literal["anthropic", "openai"]
    fault: str
    shares: tuple[float, ...] = (1.0,)
    params: Mapping[str, tuple[Any, ...]] = {}
    match: Mapping[str, Any] = {}
    off: tuple[Literal["cache", "rate_limit", "fallback", "retry", "breaker", "bulkhead"], ...] = ()
    route: str | None = None
    page: Literal["Live", "Request", "Gauntlet", "Cost"]
    notice: Text
    find: Text
    seen: Text
    why: Text
    helps: Text
    cures: tuple[str, ...] = ()


class Planned(_Strict):
    """An incident as the seed has it; `at_s` after the drill's beginning, for `for_s`."""

    incident: Incident
    at_s: float
    for_s: float
    share: float
    params: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The word that the player should say."""
        return kind_of(self.incident.fault, self.params)

    def fault(self) -> dict[str, Any]:
        """As a FAULT of DESIGN section 5, hidden, from now."""
        given = {"target": self.incident.target, "fault": self.incident.fault, "at_s": self.at_s, "hidden": True}
        return {
            **given,
            "for_s": self.for_s,
            "share": self.share,
            "match": dict(self.incident.match),
            "params": dict(self.params),
        }


@cache
def incidents() -> tuple[Incident, ...]:
    """All of them."""
    return tuple(Incident.model_validate(row) for row in tomllib.loads(FILE.read_text())["incident"])


def chosen(seed: int, lasts_s: float) -> Planned:
    """What happens in the drill of this seed and length."""
    chance = random.Random(f"drill {seed}")  # noqa: S311 - the same incident again, no secret
    incident = chance.choice(incidents())
    at_s = lasts_s * chance.uniform(EARLIEST, LATEST)
    return Planned(
        incident=incident,
        at_s=at_s,
        for_s=lasts_s - at_s + BEYOND_S,
        share=chance.choice(incident.shares),
        params={name: chance.choice(values) for name, values in incident.params.items()},
    )


def seed_of(name: str) -> int:
    """The smallest seed that chooses the incident of this name, from 1. Raises KeyError when there is none."""
    if name not in {incident.name for incident in incidents()}:
        raise KeyError(name)
    return next(seed for seed in range(1, 100_000) if chosen(seed, 1.0).incident.name == name)
