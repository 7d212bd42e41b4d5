"""Lua scripts: the only way in which several steps on the store are one. Next: ``replica.py``."""

import hashlib
from importlib import resources
from typing import Any

from redis.exceptions import NoScriptError

from .connection import Argument
from .guard import Store


class Script:
    """A Lua file beside the Python file that uses it.

    ``await script(keys, arguments)`` runs it by its SHA-1, and by its text where the server does not know it yet.
    Raises StoreUnavailable.
    """

    def __init__(self, store: Store, package: str, name: str) -> None:
        self._store = store
        self.text = resources.files(package).joinpath(f"{name}.lua").read_text("utf-8")
        self._sha1 = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: tuple[str, ...], *arguments: Argument) -> Any:
        """Run the script on ``keys`` (all in one hash slot) with ``arguments``."""
        try:
            return await self._store.execute("EVALSHA", self._sha1, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._store.execute("EVAL", self.text, len(keys), *keys, *arguments)
