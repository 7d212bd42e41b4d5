"""The command that makes load, `gauntlet load`, as these pages call it: its words, its surroundings, its scenarios.

A subprocess, for the dashboard imports nothing of who makes load (design section 1). Read `protocol.py` next: what it
says while it runs.
"""

import os
import subprocess
import sys
import threading
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..settings import LIVE, Settings

ROOT = Path(__file__).resolve().parents[2]
"""The checkout, where the command is found."""

LIST_S = 30.0
"""A list that takes longer hangs."""

RUNS = "runs"
HOME = "GAUNTLET_HOME"

NOT_LIVE = (
    "No load is started here in the **live** profile: every chat of it would cost real money. "
    "`gauntlet load NAME --max-usd USD` in a terminal makes load there, and stops at that sum."
)


class NoCatalogue(Exception):
    """The list of scenarios cannot be had; the words say why."""


class Scenario(BaseModel, frozen=True):
    """One row of the list: `duration_s` is that of the whole, `short_s` that of a shortened run."""

    name: str
    title: str
    about: str = ""
    duration_s: float
    short_s: float
    shape: str = ""


_LISTED = TypeAdapter(tuple[Scenario, ...])


def command(*words: str) -> list[str]:
    """The command line; every call of the command is made from it."""
    return [sys.executable, "-m", "gauntlet", "load", *words]


def run_words(name: str, for_s: float | None, settings: Settings) -> list[str]:
    """The words of one run against what these settings name; `for_s` shortens it."""
    urls = ("--service", settings.service, "--simulator", settings.simulator, "--collector", settings.collector)
    return [name, "--json", *([] if for_s is None else ["--for", f"{for_s:g}"]), *urls]


def environment(settings: Settings) -> dict[str, str]:
    """Ours, and the home whose runs the Experiments page shows."""
    return {**os.environ, HOME: str(settings.runs.absolute().parent)}


def why_not(settings: Settings) -> str | None:
    """Why no scenario can be started from here, as Markdown; None when one can."""
    if settings.profile == LIVE:
        return NOT_LIVE
    if not _is_loopback(settings.service):
        return (
            f"Load goes to this machine only, and the service here is at `{settings.service}`. Where its port is "
            "published (`docker compose`: the host), `gauntlet load NAME` in a terminal makes the same load."
        )
    if settings.runs.name != RUNS:
        return (
            f"A load keeps its run in a folder `{RUNS}`, and this page shows `{settings.runs}`: start the dashboard "
            f"with a GAUNTLET_RUNS that ends in `/{RUNS}`."
        )
    return None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class Catalogue:
    """The scenarios, asked for once; a failure is kept until somebody looks again. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[Scenario, ...] = ()
        self._failure: str | None = None

    def scenarios(self, settings: Settings) -> tuple[Scenario, ...]:
        """At least one. Raises NoCatalogue."""
        with self._lock:
            if not self._known and self._failure is None:
                try:
                    self._known = listed(settings)
                except NoCatalogue as error:
                    self._failure = str(error)
            if self._failure is not None:
                raise NoCatalogue(self._failure)
            return self._known

    def forget(self) -> None:
        """The next question asks again."""
        with self._lock:
            self._known, self._failure = (), None


@cache
def catalogue() -> Catalogue:
    """The one of this process."""
    return Catalogue()


def listed(settings: Settings) -> tuple[Scenario, ...]:
    """Ask the command for its scenarios. Raises NoCatalogue."""
    try:
        asked = subprocess.run(  # noqa: S603 - our own command
            command("--list", "--json"),
            cwd=ROOT,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoCatalogue(f"`gauntlet load --list` said nothing for {LIST_S:.0f} s") from None
    except OSError as error:
        raise NoCatalogue(f"`gauntlet load` cannot be started ({error.strerror})") from error
    if asked.returncode != 0:
        said = last_line(asked.stderr)
        raise NoCatalogue(f"`gauntlet load --list` ended with {asked.returncode}{f': {said}' if said else ''}")
    try:
        found = _LISTED.validate_json(asked.stdout)
    except ValidationError as error:
        raise NoCatalogue(
            f"what `gauntlet load --list` said is no list of scenarios ({error.errors()[0]['msg']})"
        ) from error
    if not found:
        raise NoCatalogue("`gauntlet load --list` knows no scenario")
    return found


def last_line(said: bytes) -> str:
    """The last line that says something."""
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
