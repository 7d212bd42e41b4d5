"""The service's switches: stages and circuits, and a clean start for the next experiment. Read `breaking.py` next."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any

import redis

from door.errors import DoorError
from door.lab.rig import Rig

ADMIN = "admin"
OF_AN_EXPERIMENT = ("cache:*", "limit:*", "budget:*", "embedding:*")
"""Keys in Valkey that one experiment would leave to the next; conversations, refunds and jobs stay."""


class Turning(Rig):
    """What an operator may turn (DESIGN section 4, `/admin`)."""

    def stages(self, **switches: bool) -> dict[str, bool]:
        """Which stages are on; with `cache=False` and the like turn them, and return when each worker knows."""
        if switches:
            self._admin("PUT", "/admin/stages", switches)
            self._each_worker(
                "/admin/stages", lambda told: switches.items() <= told["stages"].items(), f"that {switches} is known"
            )
        return dict(self._admin("GET", "/admin/stages")["stages"])

    def breakers(self) -> dict[str, str]:
        """Each provider's circuit: closed, open or half_open."""
        return {row["provider"]: row["state"] for row in self._admin("GET", "/admin/breakers")["breakers"]}

    def close_circuits(self) -> None:
        """Close them all and end all pauses, without waiting for a cool-down; returns when each worker knows."""
        self._admin("POST", "/admin/breakers/reset", {})

        def closed(told: dict[str, Any]) -> bool:
            return all(row["state"] == "closed" and not row["paused_for_s"] for row in told["breakers"])

        self._each_worker("/admin/breakers", closed, "that all circuits are closed")

    def reset(self) -> None:
        """A clean start for the next experiment: no faults, first latencies, no quotas, an empty ledger, all stages on,
        circuits closed, caches empty, buckets full.

        What the collector knows stays: `lab.since` is when this was, for `where t > {lab.since}`. So do conversations,
        refunds and jobs, and each worker's retry budget, which only time fills.
        """
        self._reset_simulator()
        with redis.Redis.from_url(self.urls["valkey"]) as store:
            for pattern in OF_AN_EXPERIMENT:
                if keys := list(store.scan_iter(pattern, count=1000)):
                    store.delete(*keys)
        self.stages(**dict.fromkeys(self.stages(), True))
        self.close_circuits()
        self._begin()

    def _begin(self) -> None:
        """The experiment begins now, by the simulator's clock."""
        self.since = float(self._simulator("GET", "/sim/state")["now"])

    def _admin(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http(method, path, body, user=ADMIN)
        if answer.status != http.client.OK:
            raise DoorError(f"{method} {path}: {answer.status} {answer.answer}")
        return answer.body

    def _each_worker(self, path: str, true: Callable[[Any], bool], what: str) -> None:
        """Wait until each worker that lives has answered something of which `true` holds."""
        seen: set[int] = set()

        def all_know() -> bool:
            answer = self.http("GET", path, user=ADMIN)
            if answer.ok and true(answer.body):
                seen.add(answer.worker)
            return seen.issuperset(self._running.worker_pids())

        self.until(all_know, what)
