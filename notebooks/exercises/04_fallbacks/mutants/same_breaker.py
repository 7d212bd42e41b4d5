"""Asks one circuit, the first, before every call: when it is open nobody is called."""

CHANGES = (
    (
        "if not model.circuit.allows():",
        "if not self._models[0].circuit.allows():",
    ),
)
