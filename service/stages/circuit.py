"""One provider's circuit: closed, open, half-open, and a pause beside them.

The state machine of the breaker as plain data and transitions. The fleet runs it in Redis (``circuit.lua``); when
Redis is away each worker runs it here, on its own copy. A generation number discards results of calls that began
before a change (as gobreaker does); one leased token admits one probe. Times are milliseconds on the clock of whoever
runs it. Chapter, section 5. Next: ``breaker.py``.
"""

from dataclasses import dataclass, fields
from typing import Literal

State = Literal["closed", "open", "half_open"]


@dataclass(slots=True)
class Circuit:
    """Closed until ``threshold`` consecutive failures; then open until ``open_until``; then one probe."""

    state: State = "closed"
    token: str = ""
    version: int = 0
    generation: int = 0
    failures: int = 0
    open_until: float = 0
    probe_until: float = 0
    pause_until: float = 0

    def _to(self, state: State) -> None:
        self.state, self.token, self.probe_until = state, "", 0
        self.generation += 1

    def failure(self, now: float, generation: int, token: str, threshold: int, cooldown_ms: float) -> None:
        """Count a failure of a call that began in ``generation``; a failed probe opens the circuit again."""
        if generation == self.generation and self.state == "closed":
            self.failures += 1
            if self.failures >= threshold:
                self._to("open")
                self.open_until = now + cooldown_ms
        elif self.state == "half_open" and token and token == self.token:
            self._to("open")
            self.open_until = now + cooldown_ms

    def success(self, generation: int, token: str) -> None:
        """Forget the failures; a successful probe closes the circuit."""
        if generation == self.generation and self.state == "closed":
            self.failures = 0
        elif self.state == "half_open" and token and token == self.token:
            self._to("closed")
            self.failures, self.open_until = 0, 0

    def release(self, token: str) -> None:
        """Give the probe back unjudged (429, 4xx, cancelled): the next request may claim it at once."""
        if self.state == "half_open" and token and token == self.token:
            self.state, self.token, self.probe_until = "open", "", 0

    def claim(self, now: float, token: str, lease_ms: float) -> bool:
        """Take the one probe, if it is due and nobody holds it."""
        free = self.state == "open" or (self.state == "half_open" and now >= self.probe_until)
        if not free or now < self.open_until or now < self.pause_until:
            return False
        self.state, self.token, self.probe_until = "half_open", token, now + lease_ms
        return True

    def renew(self, now: float, token: str, lease_ms: float) -> bool:
        """Keep the probe while its stream goes on."""
        if self.state != "half_open" or not token or token != self.token:
            return False
        self.probe_until = now + lease_ms
        return True

    def pause(self, now: float, for_ms: float) -> None:
        """No call before ``now + for_ms``; never shortens a pause."""
        self.pause_until = max(self.pause_until, now + for_ms)

    def reset(self) -> None:
        """Close, forget failures and pause."""
        self._to("closed")
        self.failures, self.open_until, self.pause_until = 0, 0, 0

    def adopt(self, given: dict[str, str], shift_ms: float) -> None:
        """Take over shared state; ``shift_ms`` turns the server's times into ours. Raises ValueError."""
        for field in fields(self):
            value = given.get(field.name, "")
            if field.name in ("state", "token"):
                setattr(self, field.name, value or ("closed" if field.name == "state" else ""))
            elif field.name.endswith("_until"):
                setattr(self, field.name, float(value or 0) + shift_ms if float(value or 0) else 0)
            else:
                setattr(self, field.name, int(float(value or 0)))
