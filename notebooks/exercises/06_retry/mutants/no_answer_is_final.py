"""Tries again what has a status, and gives up where the connection broke."""

CHANGES = (
    (
        "return error.status is None or error.status in (408, 429) or error.status >= 500",
        "return error.status is not None and (error.status in (408, 429) or error.status >= 500)",
    ),
)
