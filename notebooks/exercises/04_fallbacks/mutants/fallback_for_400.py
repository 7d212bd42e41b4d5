"""Asks the next provider, too, what the first one refused."""

CHANGES = (
    (
        (
            "                if not is_providers_fault(error):\n"
            "                    raise\n"
            "                model.circuit.record(False)\n"
        ),
        "                if is_providers_fault(error):\n                    model.circuit.record(False)\n",
    ),
)
