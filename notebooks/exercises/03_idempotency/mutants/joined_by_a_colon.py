"""Caller and key are joined by a character that both may hold."""

CHANGES = (
    (
        "[caller, key]",
        'f"{caller}:{key}"',
    ),
)
