"""All that the simulator remembers, shared by the listeners and the control API (DESIGN section 5).

Read `exchange.py` next: every call goes through it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from . import latency
from .faults import TARGETS
from .latency import Latency
from .ledger import Ledger
from .quota import Quota
from .timeline import Timeline


@dataclass(slots=True)
class State:
    """The plan with its clock and seed, the ledger, and latency and quota of each target."""

    timeline: Timeline
    ledger: Ledger = field(default_factory=Ledger)
    latencies: dict[str, Latency] = field(default_factory=latency.defaults)
    quotas: dict[str, Quota] = field(default_factory=lambda: {target: Quota() for target in TARGETS})
