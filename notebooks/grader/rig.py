"""What a check runs on: a simulator of its own, and a Valkey where an exercise needs one, on free ports.

They are the workbench's own parts, without the service, and end with the block. Read `check.py` next.
"""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from door import home, parts, plan, ports
from door.part import PartFailed
from door.supervisor import Supervisor
from door.temporary import temporary_home
from door.workbench import STARTS, private

from .simulator import Places


@dataclass(frozen=True, slots=True)
class Rig:
    """Where everything is; `folder` is for what a run writes."""

    folder: Path
    places: Places
    store_url: str | None


@contextmanager
def rig(*, store: bool) -> Iterator[Rig]:
    """Start the parts, end them when the block is left. Raises PartFailed."""
    with temporary_home() as folder:
        chosen, supervisor = _started(folder, store)
        try:
            url = chosen.url
            places = Places(url("simulator"), url("anthropic"), url("openai"), url("payments"))
            yield Rig(folder, places, chosen.state_url if store else None)
        finally:
            supervisor.stop()


def _started(folder: Path, store: bool) -> tuple[plan.Plan, Supervisor]:
    for left in reversed(range(STARTS)):
        chosen = _plan(folder)
        wanted = [parts.simulator_part(chosen, {}), *([parts.valkey_part(chosen)] if store else [])]
        supervisor = Supervisor(wanted, folder / home.LOGS, lambda: False, environ=private(os.environ))
        try:
            supervisor.start()
        except BaseException as error:
            supervisor.stop()
            if not (left and isinstance(error, PartFailed) and any(map(ports.is_held, chosen.ports.values()))):
                raise
        else:
            return chosen, supervisor
    raise AssertionError


def _plan(folder: Path) -> plan.Plan:
    (folder / "none.toml").touch()
    flags = argparse.Namespace(profile="workbench", workers=1, **{f"{port.name}_port": 0 for port in ports.TABLE})
    return plan.make(flags, {"GAUNTLET_HOME": str(folder), "GAUNTLET_CONFIG": str(folder / "none.toml")})
