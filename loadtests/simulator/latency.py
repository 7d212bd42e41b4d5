"""How long the simulated provider takes: first token, per token, and their spread (DESIGN section 5).

`sigma` 0 makes the times fixed; else they are lognormal with the given median, drawn by a hash of seed and request, so
they repeat. Read `exchange.py` next: it waits by them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .chance import lognormal_factor, unit
from .faults import TARGETS, Target

_Milliseconds = Annotated[float, Field(ge=0, le=3_600_000, allow_inf_nan=False)]


class Latency(BaseModel):
    """Times of one target: medians in milliseconds, `sigma` of the lognormal spread (0 to 3)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    first_token_ms: _Milliseconds = 0.0
    per_token_ms: _Milliseconds = 0.0
    sigma: Annotated[float, Field(ge=0, le=3, allow_inf_nan=False)] = 0.0

    def draw(self, seed: int, identity: str, attempt: int) -> tuple[float, float]:
        """Return (first token, per token) in seconds for one call."""
        first_s, per_s = self.first_token_ms / 1000, self.per_token_ms / 1000
        if not self.sigma:
            return first_s, per_s
        return (
            first_s * lognormal_factor(self.sigma, unit(seed, "first token", identity, attempt)),
            per_s * lognormal_factor(self.sigma, unit(seed, "per token", identity, attempt)),
        )


class TargetLatency(Latency):
    """The body of `PUT /sim/latency`: times and the target they are for; a time left out becomes 0."""

    target: Target


def defaults() -> dict[str, Latency]:
    """Return the latencies at start: quick enough to work with, slow enough to see tokens arrive."""
    chat = Latency(first_token_ms=120.0, per_token_ms=4.0)
    others = {"embeddings": 20.0, "rerank": 30.0, "payments": 50.0, "webhooks": 10.0}
    return {target: Latency(first_token_ms=others[target]) if target in others else chat for target in TARGETS}
