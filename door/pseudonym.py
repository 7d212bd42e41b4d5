"""The pseudonym under which telemetry knows a user: the keyed hash that the service makes. Read `trace.py` next."""

import hmac
import re
from collections.abc import Mapping

from door import configuration

VARIABLE = "GAUNTLET_TELEMETRY__PSEUDONYM_KEY"
DEFAULT_KEY = "workbench"
DIGITS = 16


def of_user(name: str, environ: Mapping[str, str]) -> str:
    """16 hex digits; what looks like them already is taken for a pseudonym itself."""
    if re.fullmatch(rf"[0-9a-f]{{{DIGITS}}}", name):
        return name
    key = configuration.effective(environ).get(VARIABLE) or DEFAULT_KEY
    return hmac.new(key.encode(), name.encode(), "sha256").hexdigest()[:DIGITS]
