"""Uses the last moment, and keeps nothing to answer in."""

CHANGES = (
    (
        "ask.deadline_s - RESERVE_S - self",
        "ask.deadline_s - self",
    ),
)
