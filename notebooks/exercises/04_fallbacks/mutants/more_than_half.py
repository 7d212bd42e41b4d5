"""Gives the first model more than half of the time, which is enough as long as the next is quick."""

CHANGES = (
    (
        "left_s / 2 if",
        "left_s * 0.55 if",
    ),
)
