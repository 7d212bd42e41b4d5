"""Tells no circuit of a failure, so none ever opens."""

CHANGES = (
    (
        "                model.circuit.record(False)\n",
        "",
    ),
)
