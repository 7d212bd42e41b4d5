"""The environment as the service will see it: `gauntlet.toml` first, real variables over it. Read `plan.py` next.

The door needs a few of the service's keys (port, workers, profile, Redis, base URLs). Writing the file's keys as the
variables that mean the same gives one place to look, and what a person configured is never overridden by the door.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from door.errors import UsageError
from door.home import ROOT

PREFIX = "GAUNTLET_"


def effective(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` over the keys of the configuration file: `[providers.openai] base_url` is
    GAUNTLET_PROVIDERS__OPENAI__BASE_URL, `redis_url` is REDIS_URL. Empty variables count as unset.

    Raises UsageError when the file cannot be read.
    """
    path = path_in(environ)
    found: dict[str, str] = {}
    if path.exists():
        try:
            found = {PREFIX + name: value for name, value in _flat(tomllib.loads(path.read_text()))}
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error
    found |= {name: value for name, value in environ.items() if value}
    if "REDIS_URL" not in found and f"{PREFIX}REDIS_URL" in found:
        found["REDIS_URL"] = found[f"{PREFIX}REDIS_URL"]
    return found


def path_in(environ: Mapping[str, str]) -> Path:
    """The configuration file, which need not exist: a relative GAUNTLET_CONFIG counts from where the person is."""
    return Path(environ.get("GAUNTLET_CONFIG") or ROOT / "gauntlet.toml").absolute()


def _flat(table: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from ((f"{key.upper()}__{name}", text) for name, text in _flat(value))
        else:
            yield key.upper(), str(value)
