"""Leaves the seed out of the key."""

CHANGES = (
    (
        "ask.temperature, ask.seed, ",
        "ask.temperature, ",
    ),
)
