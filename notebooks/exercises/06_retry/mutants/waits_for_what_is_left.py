"""Cuts the wait to what is left, and calls once more at the deadline, before Retry-After is over."""

CHANGES = (
    (
        "is_last = attempt == attempts or clock.now() + wait_s >= deadline_s",
        (
            "is_last = attempt == attempts or clock.now() >= deadline_s\n"
            "            wait_s = min(wait_s, deadline_s - clock.now())"
        ),
    ),
)
