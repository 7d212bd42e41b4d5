"""Shows a kept answer only where all circuits are open, and not where all have failed."""

CHANGES = (
    (
        "return self._stale(ask, why) or",
        "return (not failed and self._stale(ask, why)) or",
    ),
)
