"""Jobs and runs that were begun from a page: followed by a thread each until they end. Read `work_begin.py` next.

A page may be drawn anew at any moment; what was begun goes on meanwhile, and nobody who looks waits for it. The threads
are daemons: a process that ends does not wait for them.
"""

import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

from ..backends.all import backends
from ..backends.http import Away, Refused
from ..backends.service import Row

ENDED = ("completed", "failed", "rejected", "cancelled")
LOOKS_S = 0.5
SERVERS_FAULT = 500
"""From this status on it may be mended by asking again."""
FOLLOWED_S = 1800.0
"""A run may wait for its approval; after so long the list has it still, and this thread ends."""


class Begun:
    """One job or run. `row` is what the service told last, `failure` why it told nothing at the last look.

    `id` is None until the service has taken it. `once` is its Idempotency-Key: sent again it is the same.
    """

    def __init__(self, path: str, title: str, body: Mapping[str, Any], key: str) -> None:
        self.path, self.title, self.body, self.key = path, title, body, key
        self.once = uuid.uuid4().hex
        self.id: str | None = None
        self.row: Row | None = None
        self.failure: Away | Refused | None = None

    @property
    def ended(self) -> bool:
        """Whether no more comes."""
        return self.row is not None and self.row["status"] in ENDED

    def follow(self) -> None:
        """Begin it, then look until it has ended. Raises nothing of the backend's."""
        service, until_s = backends().service, time.monotonic() + FOLLOWED_S
        while not self.ended and time.monotonic() < until_s:
            try:
                if self.id is None:
                    self.id = service.begin(self.key, self.path, self.body, once=self.once)
                self.row = service.seen(self.key, f"{self.path}/{self.id}")
            except Refused as error:
                self.failure = error
                if error.status < SERVERS_FAULT:
                    return
            except Away as error:
                self.failure = error
            else:
                self.failure = None
            time.sleep(LOOKS_S)


def begin(path: str, title: str, body: Mapping[str, Any], key: str) -> Begun:
    """Begin a job (`/jobs`) or a run (`/agent`). Returns at once."""
    begun = Begun(path, title, body, key)
    threading.Thread(target=begun.follow, name="begun", daemon=True).start()
    return begun
