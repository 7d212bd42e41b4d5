"""Tries eight times."""

CHANGES = (
    (
        "range(ATTEMPTS - 1)",
        "range(2 * ATTEMPTS - 1)",
    ),
)
