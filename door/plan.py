"""What one `gauntlet up` shall run: ports, profile, workers, and whose Redis. Read `parts.py` next.

A flag wins over its environment variable, that over `gauntlet.toml`, that over the default.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from door import configuration, home, ports
from door.errors import UsageError

PROFILES = ("workbench", "live", "bench")
DEFAULT_WORKERS = 2
MAX_WORKERS = 64
MOVABLE = ("collector", "dashboard")
"""Ports that somebody else may well have: OTLP's own, and Streamlit's own."""

HOSTS_OF_REDIS = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True)
class Plan:
    """One run, with every choice made; `redis_url` is the person's own server, None for the embedded one.

    `configured` names the variables that a person set, in the environment or in the configuration file; `config` is
    the file that GAUNTLET_CONFIG names, None where it names none. `moves` names the MOVABLE ports that nobody chose, so
    that they may be others when somebody else has the usual ones.
    """

    home: Path
    ports: Mapping[str, int]
    profile: str
    workers: int
    redis_url: str | None
    configured: frozenset[str]
    config: Path | None = None
    moves: frozenset[str] = frozenset()

    def url(self, name: str) -> str:
        """The loopback URL of one port of the table."""
        scheme = "redis" if name == "valkey" else "http"
        return f"{scheme}://{ports.LOOPBACK}:{self.ports[name]}" + ("/0" if name == "valkey" else "")

    @property
    def state_url(self) -> str:
        """Where the service finds its state."""
        return self.redis_url or self.url("valkey")

    def urls(self) -> dict[str, str]:
        """Port name -> URL, without a secret: the URL of one's own Redis loses its password."""
        shown = {port.name: self.url(port.name) for port in ports.TABLE if port.name in self.ports}
        if self.redis_url:
            shown["redis"] = without_password(self.redis_url)
        return shown


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `up` and `doctor` that change the plan."""
    for port in ports.TABLE:
        parser.add_argument(
            port.flag,
            dest=f"{port.name}_port",
            type=int,
            metavar="PORT",
            help=f"{port.what} (default {port.default}, or {port.variable}; 0: any free one)",
        )


def make(args: argparse.Namespace, environ: Mapping[str, str]) -> Plan:
    """The plan for these flags and this environment. Raises UsageError for a value that cannot be used."""
    config = configuration.path_in(environ) if environ.get("GAUNTLET_CONFIG") else None
    environ = configuration.effective(environ)
    redis_url = environ.get("REDIS_URL")
    if redis_url and not redis_url.startswith(HOSTS_OF_REDIS):
        raise UsageError(f"REDIS_URL must start with {', '.join(HOSTS_OF_REDIS)}, not {redis_url.split(':')[0]!r}")
    numbers = ports.resolve({port.name: getattr(args, f"{port.name}_port") for port in ports.TABLE}, environ)
    if redis_url:
        del numbers["valkey"]
    profile = getattr(args, "profile", None) or environ.get("GAUNTLET_PROFILE") or PROFILES[0]
    if profile not in PROFILES:
        raise UsageError(f"GAUNTLET_PROFILE is {profile!r}; it is one of {', '.join(PROFILES)}")
    workers = _workers(getattr(args, "workers", None), environ)
    moves = frozenset(
        port.name
        for port in ports.TABLE
        if port.name in MOVABLE and getattr(args, f"{port.name}_port") is None and port.variable not in environ
    )
    return Plan(home.find(environ), numbers, profile, workers, redis_url, frozenset(environ), config, moves)


def without_password(url: str) -> str:
    """The URL as it may be printed."""
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@") if password else url


def _workers(flag: int | None, environ: Mapping[str, str]) -> int:
    given = environ.get("GAUNTLET_WORKERS") or str(DEFAULT_WORKERS) if flag is None else str(flag)
    if given.isascii() and given.isdigit() and 1 <= int(given) <= MAX_WORKERS:
        return int(given)
    raise UsageError(f"{given!r} workers: --workers or GAUNTLET_WORKERS is a number from 1 to {MAX_WORKERS}")
