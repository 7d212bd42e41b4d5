"""Where the dashboard finds the others, and who may turn things. Read `backends/http.py` next.

The environment says it, so that `gauntlet up`, docker compose and tests start the same program; `__main__.py` turns its
flags into these variables.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

COLLECTOR_URL = "GAUNTLET_COLLECTOR_URL"
SERVICE_URL = "GAUNTLET_SERVICE_URL"
SIMULATOR_URL = "GAUNTLET_SIMULATOR_URL"
RECEIVER_URL = "GAUNTLET_RECEIVER_URL"
PROFILE = "GAUNTLET_PROFILE"
RUNS = "GAUNTLET_RUNS"
SHIPPED_RUNS = "GAUNTLET_SHIPPED_RUNS"
PSEUDONYM_KEY = "GAUNTLET_TELEMETRY__PSEUDONYM_KEY"

WORKBENCH = "workbench"
LIVE = "live"
WORKBENCH_ADMIN_KEY = "demo-admin"


@dataclass(frozen=True, slots=True)
class Settings:
    """Base URLs without a slash at the end; `runs` is the folder of recorded runs, `shipped_runs` of the project's own.

    `receiver` is where the service, as it sees the network, finds the workbench's receiver of webhooks. `pseudonym_key`
    is the service's: with it a user's name becomes the pseudonym that telemetry knows.
    """

    collector: str = "http://127.0.0.1:4318"
    service: str = "http://127.0.0.1:8000"
    simulator: str = "http://127.0.0.1:8100"
    receiver: str = "http://127.0.0.1:8105/webhooks"
    profile: str = WORKBENCH
    runs: Path = Path(".gauntlet/runs")
    shipped_runs: Path = Path("loadtests/recorded")
    pseudonym_key: str = "workbench"

    @property
    def audits(self) -> Path:
        """The folder in which audits are kept, beside the recorded runs."""
        return self.runs.with_name("audits")

    @property
    def needs_admin_key(self) -> bool:
        """Whether a person must show the admin key before anything can be turned."""
        return self.profile != WORKBENCH


def of(environ: Mapping[str, str]) -> Settings:
    """The settings that an environment gives; what it leaves out, or leaves empty, is as it ships."""
    usual = Settings()
    return Settings(
        collector=(environ.get(COLLECTOR_URL) or usual.collector).rstrip("/"),
        service=(environ.get(SERVICE_URL) or usual.service).rstrip("/"),
        simulator=(environ.get(SIMULATOR_URL) or usual.simulator).rstrip("/"),
        receiver=environ.get(RECEIVER_URL) or usual.receiver,
        profile=environ.get(PROFILE) or usual.profile,
        runs=Path(environ.get(RUNS) or usual.runs),
        shipped_runs=Path(environ.get(SHIPPED_RUNS) or usual.shipped_runs),
        pseudonym_key=environ.get(PSEUDONYM_KEY) or usual.pseudonym_key,
    )


@cache
def current() -> Settings:
    """Those of this process, read once."""
    return of(os.environ)
