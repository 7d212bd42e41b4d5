"""Tells no circuit that the small model has answered."""

CHANGES = (
    (
        "                model.circuit.record(True)\n",
        "                if not model.small:\n                    model.circuit.record(True)\n",
    ),
)
