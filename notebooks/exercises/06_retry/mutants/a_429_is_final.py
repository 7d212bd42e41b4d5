"""Takes every 4xx for the caller's fault, 429 too."""

CHANGES = (
    (
        "return error.status is None or error.status in (408, 429) or error.status >= 500",
        "return error.status is None or error.status >= 500",
    ),
)
