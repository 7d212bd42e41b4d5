"""What a run finds and leaves: providers without faults, closed circuits, the stages that it wants on and off.

Latencies and quotas of the simulator are the scenario's, and its own defaults again afterwards. Read `conductor.py`
next.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from loadtests.books import wire
from loadtests.books.errors import CannotJudge
from loadtests.conduct import owed
from loadtests.conduct.places import Places, Refused
from loadtests.scenario.model import PROCESSES, Provider, Scenario
from loadtests.simulator import latency
from loadtests.simulator.faults import TARGETS

CLOSED_WITHIN_S = 10.0
SWITCHED_WITHIN_S = 10.0
SEARCHED_WITHIN_S = 60.0
SEARCHED_FOR = "What does a circuit breaker do?"
SEEN_CLOSED = 8
"""Answers in a row, each on a connection of its own, that say so: each worker has its own copy of the circuits."""

POLL_S = 0.05
SERVICE, SIMULATOR = "the service", "the simulator"


class World:
    """The service's switches and the simulator's plan. Every method raises CannotJudge when one of them is away.

    `plain`: the service is none of ours, without stages and circuits.
    """

    def __init__(self, places: Places, *, plain: bool = False) -> None:
        self._places = places
        self._plain = plain
        self._stages_before: dict[str, bool] = {}
        self._touched = False
        self.put_back = False
        """Whether the stages were as a run that was killed had left them, so that they are put back for it."""

    def prepare(self, scenario: Scenario, off: Iterable[str]) -> None:
        """No faults, the scenario's latencies and quotas, these stages off and all others on, circuits closed."""
        self._touched = True
        self._simulator("DELETE", "/sim/faults")
        for target in TARGETS:
            self._set(target, None)
        if not self._plain:
            now = self._stages()
            left = owed.found(self._places.home, self._places.service, now)
            self.put_back = left is not None and left != now
            self._stages_before = now if left is None else left
            wanted = {stage: stage not in off for stage in now}
            before = self._stages_before
            owed.note(self._places.home, self._places.service, found=before, stood=now, switched=wanted)
            self._close_circuits()
            if scenario.mix.handbook:
                self._wait_for_the_index()
            self._switch(wanted)
        for target, given in scenario.providers.items():
            self._set(target, given)

    def check_stages(self, off: Iterable[str]) -> None:
        """Raises Refused for a stage that nobody knows."""
        known = [] if self._plain else list(self._stages())
        if strange := sorted(set(off) - set(known)):
            raise Refused(f"no stage is named {', '.join(strange)}; there are {', '.join(known)}")

    def break_by(self, scenario: Scenario, seed: int, epoch: float) -> None:
        """Plan the faults, so that the scenario's clock begins at `epoch` (Unix seconds)."""
        ahead_s = max(epoch - time.time(), 0.0)
        faults = [fault for fault in planned(scenario) if fault["target"] not in PROCESSES]
        faults = [{**fault, "at_s": fault["at_s"] + ahead_s} for fault in faults]
        self._simulator("PUT", "/sim/timeline", {"seed": seed, "faults": faults})

    def restore(self) -> None:
        """Leave it as it was found: the stages as they were, faults ended, latencies and quotas as by default.

        What was never prepared is left alone; when one of the two is away, the other is put right all the same.
        """
        if not self._touched:
            return
        try:
            if self._stages_before:
                self._switch(self._stages_before)
                owed.settle(self._places.home, self._places.service)
        finally:
            self._simulator("DELETE", "/sim/faults")
            for target in TARGETS:
                self._set(target, None)

    def last_event(self) -> int:
        """The number of the newest event of a fault."""
        return int(self._simulator("GET", "/sim/events?since=0").get("last_seq", 0))

    def events(self, since: int) -> list[dict[str, Any]]:
        """Faults that started and ended."""
        events: list[dict[str, Any]] = self._simulator("GET", f"/sim/events?since={since}").get("events", [])
        return events

    def webhooks(self) -> str | None:
        """Where the simulator takes webhooks; None without one that does."""
        port = self._simulator("GET", "/sim/state").get("ports", {}).get("webhooks")
        host = urlsplit(self._places.simulator).hostname
        return f"http://{host}:{port}/webhooks" if port else None

    def _set(self, target: str, given: Provider | None) -> None:
        usual = latency.defaults()[target].model_dump()
        times = given.model_dump(include={"first_token_ms", "per_token_ms", "sigma"}) if given else usual
        limits = given.model_dump(include={"requests_per_min", "tokens_per_min"}) if given else {}
        self._simulator("PUT", "/sim/latency", {"target": target, **times})
        self._simulator("PUT", "/sim/quota", {"target": target, **limits})

    def _stages(self) -> dict[str, bool]:
        stages: dict[str, bool] = self._admin("GET", "/admin/stages")["stages"]
        return stages

    def _switch(self, wanted: Mapping[str, bool]) -> None:
        """Until every worker that lives has acknowledged it: the service answers after a second with who has not."""
        if wanted == self._stages():
            return
        until = time.monotonic() + SWITCHED_WITHIN_S
        while missing := self._admin("PUT", "/admin/stages", dict(wanted)).get("not_acknowledged"):
            if time.monotonic() > until:
                raise CannotJudge(f"{len(missing)} workers do not switch their stages within {SWITCHED_WITHIN_S:g} s")

    def _close_circuits(self) -> None:
        self._admin("POST", "/admin/breakers/reset", {})
        until = time.monotonic() + CLOSED_WITHIN_S
        seen = 0
        while seen < SEEN_CLOSED:
            rows = self._admin("GET", "/admin/breakers")["breakers"]
            closed = all(row["state"] == "closed" and not row["paused_for_s"] for row in rows)
            seen = seen + 1 if closed else 0
            if not closed:
                if time.monotonic() > until:
                    raise CannotJudge(f"the circuits do not close within {CLOSED_WITHIN_S:g} s: {rows}")
                time.sleep(POLL_S)

    def _wait_for_the_index(self) -> None:
        """A worker that has just started reads the handbook first, and until then answers without it."""
        until = time.monotonic() + SEARCHED_WITHIN_S
        seen = 0
        while seen < SEEN_CLOSED:
            found = self._admin("POST", "/retrieve", {"query": SEARCHED_FOR})
            seen = seen + 1 if found["passages"] and not found["degraded"] else 0
            if not seen:
                if time.monotonic() > until:
                    raise CannotJudge(f"the handbook is not searched within {SEARCHED_WITHIN_S:g} s: {found}")
                time.sleep(POLL_S)

    def _simulator(self, method: str, path: str, body: Any = None) -> Any:
        return wire.ask(SIMULATOR, self._places.simulator, method, path, body) if self._places.simulator else {}

    def _admin(self, method: str, path: str, body: Any = None) -> Any:
        key = {"Authorization": f"Bearer {self._places.admin_key}"}
        return wire.ask(SERVICE, self._places.service, method, path, body, key)


def planned(scenario: Scenario) -> list[dict[str, Any]]:
    """The faults of all phases as FAULTs of DESIGN section 5, their times after the run's beginning."""
    faults, begun_s = [], 0.0
    for phase in scenario.phase:
        for fault in phase.fault:
            given = fault.model_dump(mode="json", exclude_none=True)
            for_s = fault.for_s or phase.for_s - fault.at_s
            faults.append({**given, "at_s": begun_s + fault.at_s, "for_s": for_s})
        begun_s += phase.for_s
    return faults


def label(fault: Mapping[str, Any]) -> str:
    """A fault in a few words: `anthropic: status 503, 50 %`."""
    status = (fault.get("params") or {}).get("status")
    share = fault.get("share", 1.0)
    words = f"{fault['target']}: {fault['fault'].replace('_', ' ')}{f' {status}' if status else ''}"
    return f"{words}, {share * 100:g} %" if share < 1 else words
