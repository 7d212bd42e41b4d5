"""Looks at the deadline after the wait that passed it."""

CHANGES = (
    (
        "is_last = attempt == attempts or clock.now() + wait_s >= deadline_s",
        "is_last = attempt == attempts or clock.now() >= deadline_s",
    ),
)
