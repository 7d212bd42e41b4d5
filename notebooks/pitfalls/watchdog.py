"""A supervisor that heeds /health, as an orchestrator's liveness probe does: three failures in a row are a restart.

Kubernetes' defaults are a probe every 10 s, a time-out of 1 s and three failures; here the pause is shorter, so that a
run takes seconds. While it starts, the application is not probed. Read `runs/health_llm.py` next.
"""

import asyncio

import aiohttp

from notebooks.pitfalls.load import Clock
from notebooks.pitfalls.rig import App

PAUSE_S = 0.2
TIMEOUT_S = 1.0
FAILURES = 3


class Watchdog:
    """Probes one application; `probes` are when, `restarts` from when to when it was away."""

    def __init__(self, app: App, client: aiohttp.ClientSession, clock: Clock) -> None:
        self.url = app.url
        self.probes: list[float] = []
        self.restarts: list[tuple[float, float]] = []
        self._app, self._client, self._clock = app, client, clock

    async def watch(self) -> None:
        """Until it is cancelled."""
        failures = 0
        while True:
            self.probes.append(self._clock.now_s)
            failures = 0 if await self._is_healthy() else failures + 1
            if failures == FAILURES:
                await self._restart()
                failures = 0
            await asyncio.sleep(PAUSE_S)

    async def _is_healthy(self) -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_S), self._client.get(f"{self.url}/health") as response:
                return response.status == 200
        except (TimeoutError, aiohttp.ClientError):
            return False

    async def _restart(self) -> None:
        begun_s = self._clock.now_s
        self.restarts.append((begun_s, float("inf")))  # away until it is back, if it comes back
        await asyncio.to_thread(self._app.end)
        self._app.begin()
        await self._app.serving()
        self.url = self._app.url
        self.restarts[-1] = (begun_s, self._clock.now_s)
