"""Writes the record of a client that left, and goes on as if it were there."""

CHANGES = (
    (
        '        outcome = "cancelled"\n        raise\n',
        '        outcome = "cancelled"\n        return ""\n',
    ),
)
