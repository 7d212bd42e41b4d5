"""The pseudonym under which telemetry knows a user: the keyed hash that the service makes. Read `steps.py` next.

Whoever has the key finds a user by name, and nobody finds a name in what was told.
"""

import hmac
import re

DEFAULT_KEY = "workbench"
DIGITS = 16

_ITSELF = re.compile(rf"(?:u-)?([0-9a-f]{{{DIGITS}}})")


def of_user(name: str, key: str) -> str:
    """16 hex digits; what looks like them already, alone or after the service's `u-`, is a pseudonym itself."""
    itself = _ITSELF.fullmatch(name)
    return itself[1] if itself else hmac.new(key.encode(), name.encode(), "sha256").hexdigest()[:DIGITS]
