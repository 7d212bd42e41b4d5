"""Asks the cheapest model first."""

CHANGES = (
    (
        "in enumerate(self._models):",
        "in enumerate(reversed(self._models)):",
    ),
    (
        (
            "            if model.small and left_s >= ENOUGH_S:\n"
            "                continue  # a large one failed with time enough: so would the small one\n"
        ),
        "",
    ),
)
