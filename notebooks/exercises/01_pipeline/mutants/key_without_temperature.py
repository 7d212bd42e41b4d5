"""Leaves the temperature out of the key."""

CHANGES = (
    (
        "ask.model, ask.temperature, ",
        "ask.model, ",
    ),
)
