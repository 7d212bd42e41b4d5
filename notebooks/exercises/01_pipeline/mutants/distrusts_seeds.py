"""Takes an answer with a seed for chance, too."""

CHANGES = (
    (
        "    return ask.temperature == 0 or ask.seed is not None",
        "    return ask.temperature == 0",
    ),
)
