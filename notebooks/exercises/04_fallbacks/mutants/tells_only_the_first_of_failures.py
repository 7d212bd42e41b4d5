"""Tells the first circuit alone of failures: the other never opens."""

CHANGES = (
    (
        "                model.circuit.record(False)\n",
        "                if place == 0:\n                    model.circuit.record(False)\n",
    ),
)
