"""What the money was for: each attempt's purpose, from the record of its request.

An attempt that was ended early, or whose request nobody waited for to its end, was *abandoned*; one that failed is the
price of a *retry*; the one that answered is the *answer*, or a *fallback* where the first rung could not give it. Money
is integer nano-USD everywhere. Next: ``metrics.py``.
"""

ENDED_EARLY = frozenset({"cancelled", "timed_out"})
ELSEWHERE = frozenset({"provider", "smaller_model"})


def purpose(status: str, *, outcome: str, source: str | None) -> str:
    """``answer``, ``retry``, ``fallback`` or ``abandoned``: an attempt's, in a request with this outcome and source."""
    if outcome == "cancelled" or status in ENDED_EARLY:
        return "abandoned"
    if status != "ok":
        return "retry"
    return "fallback" if source in ELSEWHERE else "answer"
