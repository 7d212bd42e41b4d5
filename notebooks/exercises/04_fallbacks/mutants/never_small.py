"""Asks large models alone."""

CHANGES = (
    (
        (
            "            if model.small and left_s >= ENOUGH_S:\n"
            "                continue  # a large one failed with time enough: so would the small one\n"
        ),
        "            if model.small:\n                continue\n",
    ),
    (
        "left_s <= 0 or (left_s < ENOUGH_S and not model.small)",
        "left_s <= 0",
    ),
)
