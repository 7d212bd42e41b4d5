"""Counts failures since the start, not failures in a row."""

CHANGES = (
    (
        "        circuit.failures = 0\n        return reply",
        "        if is_probe:\n            circuit.failures = 0\n        return reply",
    ),
)
