"""Tells the circuit of a 400 as of a failure."""

CHANGES = (
    (
        (
            "                if not is_providers_fault(error):\n"
            "                    raise\n"
            "                model.circuit.record(False)\n"
        ),
        (
            "                model.circuit.record(False)\n"
            "                if not is_providers_fault(error):\n"
            "                    raise\n"
        ),
    ),
)
