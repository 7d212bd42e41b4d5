"""What a generator process is told, and what may change while it runs; both are files, so it may be many processes.

The run begins when `control.json` says when. Read `locustfile.py` next.
"""

from dataclasses import dataclass
from pathlib import Path

import orjson

from loadtests.scenario.model import Scenario

JOB = "job.json"
CONTROL = "control.json"
BEATS = "beats.jsonl"
VARIABLE = "GAUNTLET_LOAD_JOB"
"""The environment variable that names the job's file."""

KEY_VARIABLE = "GAUNTLET_LOAD_KEY"
"""The one that holds the API key of the live profile."""

APPROVER_VARIABLE = "GAUNTLET_LOAD_APPROVER_KEY"
"""The one that holds the key of whoever decides on an agent's proposals."""

PLACES = "GAUNTLET_LOAD_PLACES"
"""The one with the places as JSON, where the job is chosen on Locust's page."""

DRAIN_S = 80.0
"""Requests in flight when the load is over end by themselves within this: no stream of the service lasts longer."""


class NoApprover(Exception):
    """An agent's proposals are to be decided, and there is no key for it; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Job:
    """One load: `mark` tells its tenants from those of other runs, `processes` is how many share it.

    Requests that take longer than `drain_s` after the load's end are given up.

    `webhooks` is the URL where somebody takes webhooks, None where nobody does; `approver` the key of whoever decides
    on what an agent proposes.

    In the live profile `key` is whose requests they all are, and `max_nano_usd` what a process may spend.
    """

    folder: Path
    scenario: Scenario
    seed: int
    mark: str
    service: str
    processes: int = 1
    key: str | None = None
    max_nano_usd: int | None = None
    drain_s: float = DRAIN_S
    webhooks: str | None = None
    approver: str | None = None

    def write(self) -> Path:
        """Into its folder; returns the path."""
        told = {
            "scenario": self.scenario.model_dump(mode="json"),
            "seed": self.seed,
            "mark": self.mark,
            "service": self.service,
            "processes": self.processes,
            "max_nano_usd": self.max_nano_usd,
            "drain_s": self.drain_s,
            "webhooks": self.webhooks,
        }
        path = self.folder / JOB
        path.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
        return path

    def decider(self) -> str:
        """The key of whoever decides. Raises NoApprover where there is none."""
        if not self.approver:
            raise NoApprover(
                f"the scenario {self.scenario.name} has an agent's proposals to decide on, and {APPROVER_VARIABLE} "
                "is not set; expected the key of an admin of the service, for nobody decides on a refund of their own: "
                f"export {APPROVER_VARIABLE}=KEY (demo-admin at the workbench), and start again"
            )
        return self.approver

    @classmethod
    def read(cls, path: Path, key: str | None = None, approver: str | None = None) -> "Job":
        """The job in that file. The keys do not stand in it: they are secrets."""
        told = orjson.loads(path.read_bytes())
        scenario = Scenario.model_validate(told.pop("scenario"))
        return cls(path.parent, scenario, key=key, approver=approver, **told)


@dataclass(frozen=True, slots=True)
class Control:
    """`epoch`: when the run begins (Unix seconds; None: not yet); `scale`: times the planned rate; `stop`: no more.

    `route`: what is asked for from now on; None: what the scenario asks for.
    """

    epoch: float | None = None
    scale: float = 1.0
    stop: bool = False
    route: str | None = None

    def write(self, folder: Path) -> None:
        """In one step, so that nobody reads half of it."""
        fresh = folder / f"{CONTROL}.new"
        fresh.write_bytes(orjson.dumps(self))
        fresh.replace(folder / CONTROL)


class ControlReader:
    """Reads it again when it has changed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / CONTROL
        self._stamp = (0, 0)
        self._last = Control()

    def now(self) -> Control:
        """What holds."""
        try:
            about = self._path.stat()
            stamp = about.st_mtime_ns, about.st_ino
            if stamp != self._stamp:
                self._last, self._stamp = Control(**orjson.loads(self._path.read_bytes())), stamp
        except OSError:
            return self._last
        return self._last
