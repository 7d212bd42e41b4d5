"""The claim has no end: when its owner dies, the key is in flight for ever."""

CHANGES = (
    (
        "_charge, self._lease_ms = store, charge, round(lease_s * 1000)",
        "_charge = store, charge",
    ),
    (
        "True, px=self._lease_ms",
        "True",
    ),
)
