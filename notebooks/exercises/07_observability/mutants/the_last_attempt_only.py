"""Lists only the attempt that ended the request."""

CHANGES = (
    (
        ", outcome, attempts, cost",
        ", outcome, attempts[-1:], cost",
    ),
)
