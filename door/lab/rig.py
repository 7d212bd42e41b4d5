"""The providers' side: faults, latency, quotas, and the ledger, which is the truth (DESIGN section 5).

Read `turning.py` next: the service's own switches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from door.lab.asking import Asking

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

PLANNED = ("at_s", "for_s", "times", "share", "match")
CALLS = [
    "seq",
    "t",
    "target",
    "endpoint",
    "request_id",
    "attempt",
    "model",
    "stream",
    "status",
    "fault",
    "input_tokens",
    "output_tokens",
    "billed_nano_usd",
    "completed",
    "cancelled",
    "duration_s",
]
TARGETS = ("anthropic", "openai", "embeddings", "rerank", "payments", "webhooks")
PROVIDERS = ("anthropic", "openai")


class Rig(Asking):
    """The simulator, by its control API."""

    def fault(self, target: str, fault: str, **given: Any) -> dict[str, Any]:
        """Break a target from now: `lab.fault("anthropic", "status", status=503, for_s=5)`.

        `for_s` and `times` (the first n calls) bound it, `share` and `match` choose calls; the rest are parameters of
        the fault (loadtests/simulator/faults.py). Raises DoorError for what the simulator does not take.
        """
        planned = {name: given.pop(name) for name in PLANNED if name in given}
        fault_now = {"target": target, "fault": fault, **planned, "params": given}
        return dict(self._simulator("POST", "/sim/faults", fault_now))

    def heal(self, target: str | None = None) -> None:
        """End all faults, or those of one target. A circuit that they opened stays open: `lab.close_circuits()`."""
        self._simulator("DELETE", "/sim/faults", target=target)

    def latency(self, target: str, *, first_token_ms: float, per_token_ms: float = 0.0, sigma: float = 0.0) -> None:
        """How long a target thinks, and writes; `sigma` is the spread of a log-normal factor."""
        body = {"target": target, "first_token_ms": first_token_ms, "per_token_ms": per_token_ms, "sigma": sigma}
        self._simulator("PUT", "/sim/latency", body)

    def quota(self, target: str, *, requests_per_min: int | None = None, tokens_per_min: int | None = None) -> None:
        """What a target allows us before it answers 429; None: as much as we like."""
        body = {"target": target, "requests_per_min": requests_per_min, "tokens_per_min": tokens_per_min}
        self._simulator("PUT", "/sim/quota", body)

    def ledger(self, target: str | None = None, request_id: str | None = None) -> pd.DataFrame:
        """The calls that reached the providers since the last `reset`, oldest first, a row each; `t` is Unix seconds.

        A call that never arrived (a refused connection) is not in it: nobody there heard of it.
        """
        import pandas as pd

        calls = pd.DataFrame(self._simulator("GET", "/sim/ledger")["calls"], columns=CALLS)
        if target is not None:
            calls = calls[calls["target"] == target]
        if request_id is not None:
            calls = calls[calls["request_id"] == request_id]
        return calls.reset_index(drop=True)

    def charges(self) -> pd.DataFrame:
        """The money that moved since the last `reset`: t, idempotency_key, amount, currency."""
        import pandas as pd

        columns = ["t", "idempotency_key", "amount", "currency"]
        return pd.DataFrame(self._simulator("GET", "/sim/ledger")["charges"], columns=columns)

    def webhooks(self) -> pd.DataFrame:
        """The webhooks that reached the receiver since the last `reset`."""
        import pandas as pd

        return pd.DataFrame(self._simulator("GET", "/sim/ledger")["webhooks"])

    @property
    def receiver(self) -> str:
        """The URL of the receiver of webhooks, to give as `webhook_url`."""
        return f"{self.urls['webhooks']}/webhooks"

    def faults(self) -> pd.DataFrame:
        """When which fault was at work: target, fault, what (its words), began_s, ended_s (NaN: it still is)."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        open_ones: dict[int, dict[str, Any]] = {}
        for event in self._simulator("GET", "/sim/events")["events"]:
            fault, t = event["fault"], event["t"]
            if event["event"] == "started":
                what = " ".join([fault["fault"].replace("_", " "), *map(str, fault["params"].values())])
                row = {"target": fault["target"], "fault": fault["fault"], "what": what, "began_s": t, "ended_s": None}
                rows.append(row)
                open_ones[fault["index"]] = row
            elif fault["index"] in open_ones:
                open_ones.pop(fault["index"])["ended_s"] = t
        frame = pd.DataFrame(rows, columns=["target", "fault", "what", "began_s", "ended_s"])
        return frame.astype({"began_s": float, "ended_s": float})

    def _reset_simulator(self) -> None:
        self._simulator("PUT", "/sim/timeline", {"seed": self.seed, "faults": []})
        for target, latency in self._latencies.items():
            self._simulator("PUT", "/sim/latency", {"target": target, **latency})
        for target in TARGETS:
            self.quota(target)
        self._simulator("DELETE", "/sim/ledger")

    def _note_latencies(self) -> None:
        """What to come back to."""
        self._latencies: dict[str, Any] = self._simulator("GET", "/sim/state")["latency"]
