"""What is compared: the chapter's PoC, the whole service, the service without a stage, and its stages in other orders.

Read `worth.py` next: what is said of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

USUAL_OFF = ("cache", "fallback", "retry", "breaker")
"""What is taken away when nobody says what."""

ORDERS = {
    "breaker inside retry": ("cache", "rate_limit", "fallback", "retry", "breaker", "bulkhead"),
    "breaker outside retry": ("cache", "rate_limit", "fallback", "breaker", "retry", "bulkhead"),
    "breaker outside fallback": ("cache", "rate_limit", "breaker", "fallback", "retry", "bulkhead"),
}
"""DESIGN section 2: where the chapter draws the breaker, what it means by it, and one step further out."""

POC = "PoC: sync handler, no stages"
WHOLE = "all stages"


@dataclass(frozen=True, slots=True)
class Variant:
    """One run: stages that are switched off, or another order of them, or the PoC in the service's place."""

    label: str
    off: Sequence[str] = ()
    order: Sequence[str] | None = None
    poc: bool = False


def chosen(off: Sequence[str], *, orders: bool, poc: bool) -> list[Variant]:
    """The runs in their order: the PoC first, then all stages, then each of `off` taken away, then the orders.

    The first of the orders is the service's own: all stages.
    """
    found = [Variant(POC, poc=True)] if poc else []
    found.append(Variant(WHOLE))
    found += [Variant(f"without {stage.replace('_', ' ')}", off=(stage,)) for stage in off]
    if orders:
        found += [Variant(label, order=order) for label, order in list(ORDERS.items())[1:]]
    return found
