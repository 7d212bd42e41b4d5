"""Asks the small model whether its provider's circuit is open or not."""

CHANGES = (
    (
        "if not model.circuit.allows():",
        "if not model.small and not model.circuit.allows():",
    ),
)
