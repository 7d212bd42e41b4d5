"""Writes no record of a client that left, as `except Exception` does not."""

CHANGES = (
    (
        "        book.write(",
        '        if outcome != "cancelled":\n            book.write(',
    ),
)
