"""Asks no circuit but the first one's."""

CHANGES = (
    (
        "if not model.circuit.allows():",
        "if model is self._models[0] and not model.circuit.allows():",
    ),
)
