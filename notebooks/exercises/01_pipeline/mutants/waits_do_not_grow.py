"""Waits no longer after the third failure than after the first."""

CHANGES = (
    ("state.rng.uniform(0, min(CAP_S, BASE_S * 2**number))", "state.rng.uniform(0, BASE_S)"),
    ("for number in range", "for _ in range"),
)
