"""The success of the call that finds out closes nothing: one call at a time for ever."""

CHANGES = (
    (
        "        circuit.failures = 0\n        return reply",
        "        if not is_probe:\n            circuit.failures = 0\n        return reply",
    ),
)
