"""Writes a record for each attempt."""

CHANGES = (
    (
        "        book.write(",
        "        for attempt in attempts:\n            book.write(",
    ),
    (
        "outcome, attempts, cost",
        "outcome, [attempt], cost",
    ),
)
