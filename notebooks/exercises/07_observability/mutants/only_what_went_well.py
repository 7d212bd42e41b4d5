"""Writes no record of a request that failed."""

CHANGES = (
    (
        "        book.write(",
        '        if outcome != "failed":\n            book.write(',
    ),
)
