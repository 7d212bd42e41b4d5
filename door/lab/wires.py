"""Base of all that a `Lab` does: where the parts are, one exchange with one of them. Read `asking.py` next."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from door import wire
from door.errors import DoorError
from door.workbench import Workbench

T = TypeVar("T")

TIMEOUT_S = 70.0
"""Longer than any deadline of the service: the service decides when to give up."""
WITHIN_S = 30.0
EVERY_S = 0.02


class Wires:
    """The parts of one running workbench; `urls` is port name -> base URL."""

    def __init__(self, running: Workbench) -> None:
        self._running = running
        self.urls: Mapping[str, str] = running.urls

    def until(self, holds: Callable[[], T], what: str, *, within_s: float = WITHIN_S) -> T:
        """The first true value of `holds()`, asked again and again; raises DoorError with `what` after `within_s`."""
        end_s = time.monotonic() + within_s
        while not (found := holds()):
            if time.monotonic() > end_s:
                raise DoorError(f"waited {within_s:g} s in vain for this: {what}; {self._why_not()}")
            time.sleep(EVERY_S)
        return found

    def _why_not(self) -> str:
        failure = self._running.failure
        return str(failure) if failure else f"the logs are in {self._running.home / 'logs'}"

    def _simulator(self, method: str, path: str, body: Any = None, **query: object) -> Any:
        """What the simulator's control API answers. Raises DoorError with its own words when it refuses."""
        wanted = {name: str(value) for name, value in query.items() if value is not None}
        asked = f"{path}?{urlencode(wanted)}" if wanted else path
        text = None if body is None else json.dumps(body)
        try:
            response = wire.exchange(self.urls["simulator"], method, asked, text, timeout_s=TIMEOUT_S)
        except (OSError, http.client.HTTPException) as error:
            raise DoorError(f"the simulator does not answer ({error}); {self._why_not()}") from error
        told = json.loads(response.body)
        if response.status >= http.client.BAD_REQUEST:
            raise DoorError(f"{method} {path}: {told.get('detail', told)}")
        return told
