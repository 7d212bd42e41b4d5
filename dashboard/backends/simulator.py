"""The simulator's control API (design section 5): faults now and before. Read `../feed/feed.py` next."""

from collections.abc import Mapping
from typing import Any

from .http import Backend, understood


class Simulator(Backend):
    """Who breaks the providers, and knows when. All raise Away and Refused."""

    @understood
    def state(self) -> dict[str, Any]:
        """Plan, active faults, quotas, latency."""
        document: dict[str, Any] = self.ask("GET", "/sim/state")
        return document

    @understood
    def events(self, since: int) -> dict[str, Any]:
        """`{"events": [{"seq", "t", "event", "reason", "fault"}], "last_seq"}` after that one."""
        document: dict[str, Any] = self.ask("GET", "/sim/events", query={"since": str(since)})
        told = [
            {name: event[name] for name in ("seq", "t", "event", "reason", "fault")} for event in document["events"]
        ]
        return {"events": told, "last_seq": document["last_seq"]}

    @understood
    def start(self, fault: Mapping[str, Any]) -> dict[str, Any]:
        """Start one fault now; gives it back as planned."""
        planned: dict[str, Any] = self.ask("POST", "/sim/faults", dict(fault))
        return planned

    @understood
    def stop(self, target: str | None = None) -> int:
        """End all faults, or those of one target; how many those were."""
        ended: int = self.ask("DELETE", "/sim/faults", query={"target": target} if target else None)["ended"]
        return ended
