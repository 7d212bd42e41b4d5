"""What a player may do to the service, and what the drill does to the simulator behind his back; all over HTTP.

Every method raises CannotJudge when the other side is away or refuses. Read `commands.py` next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtests.books import wire
from loadtests.conduct.places import Places

SERVICE, SIMULATOR = "the service", "the simulator"


@dataclass(frozen=True, slots=True)
class HiddenWindow:
    """A hidden fault while it was active (Unix seconds); `fault` is as it was planned."""

    fault: Mapping[str, Any]
    began: float
    ended: float | None


class Operator:
    """Of one service and one simulator."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def stages(self) -> dict[str, bool]:
        """Each stage and whether it is on."""
        stages: dict[str, bool] = self._admin("GET", "/admin/stages")["stages"]
        return stages

    def switch(self, wanted: Mapping[str, bool]) -> None:
        """Turn stages on or off for the fleet."""
        self._admin("PUT", "/admin/stages", dict(wanted))

    def close_circuits(self) -> None:
        """Close all of them."""
        self._admin("POST", "/admin/breakers/reset", {})

    def routes(self) -> Sequence[str]:
        """What the load may ask for."""
        return [model["id"] for model in self._admin("GET", "/v1/models")["data"]]

    def last_event(self) -> int:
        """The number of the newest event, hidden ones counted."""
        return int(self._simulator("GET", "/sim/events?hidden=1")["last_seq"])

    def hide(self, fault: Mapping[str, Any]) -> None:
        """Plan a hidden fault; its `at_s` counts from now."""
        self._simulator("POST", "/sim/faults", dict(fault))

    def heal(self) -> None:
        """End all faults, hidden ones too."""
        self._simulator("DELETE", "/sim/faults?hidden=1")

    def hidden(self, since: int) -> Sequence[HiddenWindow]:
        """The hidden faults that were active since that event."""
        windows: dict[int, HiddenWindow] = {}
        for event in self._simulator("GET", f"/sim/events?hidden=1&since={since}")["events"]:
            fault = event["fault"]
            if not fault.get("hidden"):
                continue
            if event["event"] == "started":
                windows[fault["index"]] = HiddenWindow(fault, event["t"], None)
            elif (begun := windows.get(fault["index"])) is not None:
                windows[fault["index"]] = HiddenWindow(begun.fault, begun.began, event["t"])
        return sorted(windows.values(), key=lambda window: window.began)

    def _simulator(self, method: str, path: str, body: Any = None) -> Any:
        return wire.ask(SIMULATOR, self._places.simulator, method, path, body)

    def _admin(self, method: str, path: str, body: Any = None) -> Any:
        key = {"Authorization": f"Bearer {self._places.admin_key}"}
        return wire.ask(SERVICE, self._places.service, method, path, body, key)
