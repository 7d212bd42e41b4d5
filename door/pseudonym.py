"""The key of the service's pseudonyms, from the door's configuration. Read `trace.py` next: it finds users."""

from collections.abc import Mapping

from dashboard.story import pseudonym
from door import configuration

VARIABLE = "GAUNTLET_TELEMETRY__PSEUDONYM_KEY"


def of_user(name: str, environ: Mapping[str, str]) -> str:
    """The pseudonym under which the service that is configured here tells of this user."""
    return pseudonym.of_user(name, configuration.effective(environ).get(VARIABLE) or pseudonym.DEFAULT_KEY)
