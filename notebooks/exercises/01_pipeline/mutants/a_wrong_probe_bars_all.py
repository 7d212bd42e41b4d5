"""A request that is wrong, and was to find out, keeps its place for ever."""

CHANGES = (
    ("    finally:\n        if is_probe:\n            circuit.probing = False\n", ""),
    (
        "            circuit.failed(state.clock.now())\n",
        "            circuit.failed(state.clock.now())\n            circuit.probing = False\n",
    ),
    ("        circuit.failures = 0\n", "        circuit.failures, circuit.probing = 0, False\n"),
)
