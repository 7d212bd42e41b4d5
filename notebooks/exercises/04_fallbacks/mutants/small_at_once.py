"""Takes the small model wherever the first one is away, though there is time for a large one."""

CHANGES = (
    (
        "        if not model.circuit.allows():",
        (
            "        if not model.small and model is not self._models[0]:\n"
            '            return "next:dear"\n'
            "        if not model.circuit.allows():"
        ),
    ),
    (
        (
            "            if model.small and left_s >= ENOUGH_S:\n"
            "                continue  # a large one failed with time enough: so would the small one\n"
        ),
        "",
    ),
)
