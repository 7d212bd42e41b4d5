"""Leaves the tenant out of the key: one company reads the other's answers."""

CHANGES = (
    (
        "parts = [ask.tenant, ",
        "parts = [",
    ),
)
