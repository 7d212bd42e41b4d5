"""Stands above retry, so that it counts questions and each of them costs four calls."""

CHANGES = (
    (
        "fallback, retry, breaker)",
        "fallback, breaker, retry)",
    ),
)
