"""Jobs and runs that were begun from a page: followed by a thread each until they end. Read `work_begin.py` next.

A page may be drawn anew at any moment; what was begun goes on meanwhile, and nobody who looks waits for it. The threads
are daemons: a process that ends does not wait for them.
"""

import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ..backends.all import backends
from ..backends.http import Away, Refused
from ..backends.service import Row

ENDED = ("completed", "failed", "rejected", "cancelled")
PAUSE_S, GROWS, LONGEST_S = 0.5, 1.15, 15.0
"""The pause after a look, by how much the next is longer, and the longest: half an hour costs some 140 requests."""

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
        self._woken = threading.Event()

    @property
    def ended(self) -> bool:
        """Whether no more comes."""
        return self.row is not None and self.row["status"] in ENDED

    def wake(self) -> None:
        """Something was done about it: it is looked at now, and then as often as in the beginning."""
        self._woken.set()

    def follow(self, wait: Callable[[float], bool] | None = None) -> None:
        """Begin it, then look until it has ended, with pauses that grow. Raises nothing of the backend's.

        `wait` waits so many seconds, or returns True at once when it is woken.
        """
        wait, pause_s, left_s = wait or self._woken.wait, PAUSE_S, FOLLOWED_S
        while self._look() and left_s > 0:
            left_s -= pause_s
            if wait(pause_s):
                self._woken.clear()
                pause_s = PAUSE_S
            else:
                pause_s = min(pause_s * GROWS, LONGEST_S)

    def _look(self) -> bool:
        """Whether it is worth while to look again."""
        service = backends().service
        try:
            if self.id is None:
                self.id = service.begin(self.key, self.path, self.body, once=self.once)
            self.row = service.seen(self.key, f"{self.path}/{self.id}")
        except Refused as error:
            self.failure = error
            return error.status >= SERVERS_FAULT
        except Away as error:
            self.failure = error
        else:
            self.failure = None
        return not self.ended


def begin(path: str, title: str, body: Mapping[str, Any], key: str) -> Begun:
    """Begin a job (`/jobs`) or a run (`/agent`). Returns at once."""
    begun = Begun(path, title, body, key)
    threading.Thread(target=begun.follow, name="begun", daemon=True).start()
    return begun
