"""Who is asking: bearer API keys, stored hashed, each naming a user and a tenant.

The workbench accepts ``demo-TENANT-USER`` and three short forms; the live profile never does. A name that may be
personal data (``[[keys]]`` may call a user by an e-mail address, a demo key by a number) is replaced here, once, by a
pseudonym, so that the names that a ``Caller`` bears may be in keys, logs and labels. Next: ``direct.py``.
"""

import hashlib
import re
from dataclasses import dataclass

from ..errors import Forbidden, Unauthorized
from ..observability.pii import safe_name
from ..settings import Settings

NAME = r"[A-Za-z0-9_]{1,64}"
MOST_DEMO_CALLERS = 10_000
"""Remembered per worker; then all are forgotten, which costs each one look at its name."""
_DEMO = re.compile(f"demo-({NAME})-({NAME})")


@dataclass(slots=True, frozen=True)
class Caller:
    """The user behind a request; both names are safe to tell."""

    tenant: str
    user: str
    admin: bool = False


DEMO_CALLERS = {
    "demo-alice": Caller("acme", "alice"),
    "demo-bob": Caller("globex", "bob"),
    "demo-admin": Caller("ops", "admin", admin=True),
}


class Auth:
    """The configured keys. ``telemetry.pseudonym_key`` makes the names of those whose own are personal data.

    With another one they are other callers: their threads, limits and budgets begin anew.
    """

    def __init__(self, settings: Settings) -> None:
        self._pseudonym_key = settings.telemetry.pseudonym_key
        self._demo = settings.accepts_demo_keys
        self._demo_callers = dict(DEMO_CALLERS)
        self._by_hash = {k.sha256: self._named(k.tenant, k.user, admin=k.admin) for k in settings.keys}
        self._hint = " such as demo-alice" if self._demo else ""

    def caller(self, authorization: str | None) -> Caller:
        """The caller of an ``Authorization`` header; raises Unauthorized."""
        if not authorization:
            raise Unauthorized(f"no API key; send 'Authorization: Bearer KEY' with a key{self._hint}")
        scheme, _, key = authorization.partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            raise Unauthorized("the Authorization header is not of the form 'Bearer KEY'")
        if self._demo:
            known = self._demo_callers.get(key) or self._new_demo_caller(key)
            if known is not None:
                return known
        found = self._by_hash.get(hashlib.sha256(key.encode("latin-1", "replace")).hexdigest())
        if found is None:
            raise Unauthorized(f"this API key is not known; check it and send one that is{self._hint}")
        return found

    def _new_demo_caller(self, key: str) -> Caller | None:
        parts = _DEMO.fullmatch(key)
        if parts is None:
            return None
        if len(self._demo_callers) >= MOST_DEMO_CALLERS:
            self._demo_callers = dict(DEMO_CALLERS)
        caller = self._demo_callers[key] = self._named(parts[1], parts[2])
        return caller

    def _named(self, tenant: str, user: str, *, admin: bool = False) -> Caller:
        return Caller(safe_name(self._pseudonym_key, tenant), safe_name(self._pseudonym_key, user), admin)


def require_admin(caller: Caller) -> None:
    """Raises Forbidden for anybody but an admin."""
    if not caller.admin:
        raise Forbidden("this needs an admin key; in the workbench that is demo-admin")
