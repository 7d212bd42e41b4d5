"""Where scenarios are and how they are read. Read `model.py` for what stands in one."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from loadtests.scenario.model import PROCESSES, Scenario

FOLDER = Path(__file__).resolve().parents[1] / "scenarios"


class ScenarioError(Exception):
    """A scenario that is not there or cannot be used; the message says what is wrong and what to do."""


def names() -> list[str]:
    """The scenarios that come along, by name."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def named(name: str) -> Scenario:
    """The scenario of this name, or of the file that a path names. Raises ScenarioError."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(
            f"there is no scenario {name!r}; there are {', '.join(names())}, and the path of a .toml file will do"
        ) from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path} is not TOML: it is no text in UTF-8 ({error.reason})") from error
    try:
        scenario = Scenario.model_validate({**tomllib.loads(text), "name": path.stem})
        _check_faults(scenario)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        where = ".".join(map(str, found["loc"]))
        message = found["msg"].removeprefix("Value error, ")
        raise ScenarioError(f"{path}: {where + ': ' if where else ''}{message}") from error
    return scenario


def _check_faults(scenario: Scenario) -> None:
    """Raises ValidationError for a fault that the simulator would refuse when the run has begun."""
    from loadtests.simulator.faults import Fault

    for phase in scenario.phase:
        for fault in phase.fault:
            if fault.target not in PROCESSES:
                Fault.model_validate(fault.model_dump(exclude_none=True))
