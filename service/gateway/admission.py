"""Admission: a bound on requests in flight, so that a flood is refused at once and not queued to death.

The bound is a number, which does not know how much CPU there is; so a worker that is behind with its work
(``../lag.py``) takes only an eighth of it, until it has caught up. (With less in flight it is not its own work that
makes it late, and to refuse more would help nobody.) Beyond either bound 503 with Retry-After; ``/health`` is answered
before this layer and stays quick. Chapter, section 1 (back-pressure). Next: ``auth.py``.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import Overloaded
from ..lag import Lag

NOT_COUNTED = ("/ready", "/admin/")
"""A full worker is busy, not unready; and whoever must mend it must get in."""

LATE_PART = 8
"""What a worker that is behind takes at once: the bound divided by this."""


class Admission:
    """ASGI middleware. ``in_flight`` counts the requests now being served by this worker."""

    def __init__(self, app: ASGIApp, *, limit: int, lag: Lag) -> None:
        self._app = app
        self._limit = limit
        self._lag = lag
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or raise Overloaded at once."""
        if scope["type"] != "http" or scope["path"].startswith(NOT_COUNTED):
            await self._app(scope, receive, send)
            return
        if self.in_flight >= self._limit:
            raise Overloaded(
                f"this worker has its {self._limit} requests in flight; try again in a second", retry_after_s=1.0
            )
        if self._lag.behind and self.in_flight >= self._limit // LATE_PART:
            raise Overloaded(
                f"this worker is {self._lag.mean_s * 1000:.0f} ms behind with its work; try again in a second",
                retry_after_s=1.0,
            )
        self.in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self.in_flight -= 1
