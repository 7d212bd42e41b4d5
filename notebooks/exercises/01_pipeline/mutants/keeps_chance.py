"""Keeps what was drawn by chance."""

CHANGES = (
    (
        "    return ask.temperature == 0 or ask.seed is not None",
        "    return True",
    ),
)
