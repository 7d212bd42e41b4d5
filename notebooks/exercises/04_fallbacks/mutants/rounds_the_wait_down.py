"""Rounds the time down: people come back while all is closed."""

CHANGES = (
    (
        "math.ceil(",
        "math.floor(",
    ),
)
