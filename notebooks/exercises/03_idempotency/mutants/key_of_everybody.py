"""The key alone names the record: callers share each other's payments."""

CHANGES = (
    (
        "caller, key",
        "key",
    ),
)
