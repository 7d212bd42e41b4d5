"""Who is asking: bearer API keys, stored hashed, each naming a user and a tenant.

The workbench accepts ``demo-TENANT-USER`` and three short forms; the live profile never does. Next: ``direct.py``.
"""

import hashlib
import re
from dataclasses import dataclass

from ..errors import Forbidden, Unauthorized
from ..settings import Settings

NAME = r"[A-Za-z0-9_]{1,64}"
_DEMO = re.compile(f"demo-({NAME})-({NAME})")


@dataclass(slots=True, frozen=True)
class Caller:
    """The user behind a request."""

    tenant: str
    user: str
    admin: bool = False


DEMO_CALLERS = {
    "demo-alice": Caller("acme", "alice"),
    "demo-bob": Caller("globex", "bob"),
    "demo-admin": Caller("ops", "admin", admin=True),
}


class Auth:
    """The configured keys."""

    def __init__(self, settings: Settings) -> None:
        self._demo = settings.accepts_demo_keys
        self._by_hash = {k.sha256: Caller(k.tenant, k.user, k.admin) for k in settings.keys}
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
            known = DEMO_CALLERS.get(key)
            if known is not None:
                return known
            named = _DEMO.fullmatch(key)
            if named is not None:
                return Caller(named[1], named[2])
        found = self._by_hash.get(hashlib.sha256(key.encode("latin-1", "replace")).hexdigest())
        if found is None:
            raise Unauthorized(f"this API key is not known; check it and send one that is{self._hint}")
        return found


def require_admin(caller: Caller) -> None:
    """Raises Forbidden for anybody but an admin."""
    if not caller.admin:
        raise Forbidden("this needs an admin key; in the workbench that is demo-admin")
