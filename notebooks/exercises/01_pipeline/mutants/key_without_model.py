"""Leaves the model out of the key."""

CHANGES = (
    (
        "ask.model, ask.temperature",
        "ask.temperature",
    ),
)
