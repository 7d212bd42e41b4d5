"""Small scenarios of the tests' own."""

from __future__ import annotations

from typing import Any

from loadtests.scenario import Scenario

WHY = "a test wants to know"
SUCCESS = {"measure": "success_share", "at_least": 0.9, "why": WHY}


def phase(name: str = "only", for_s: float = 10.0, rate_per_s: Any = 20.0, **more: Any) -> dict[str, Any]:
    """A phase of an open load."""
    return {"name": name, "for_s": for_s, "at_least_s": 0.1, "rate_per_s": rate_per_s, **more}


def scenario(*phases: dict[str, Any], **more: Any) -> Scenario:
    """One of these phases; an open load of ten seconds when none is given."""
    given = {
        "name": "small",
        "title": "A small scenario",
        "about": "of a test",
        "short_s": 5,
        "phase": phases or (phase(),),
        "expect": (SUCCESS,),
        **more,
    }
    return Scenario.model_validate(given)


def crowd(name: str = "only", for_s: float = 10.0, users: Any = 5, **more: Any) -> dict[str, Any]:
    """A phase of a closed load."""
    return {"name": name, "for_s": for_s, "at_least_s": 0.1, "users": users, **more}
