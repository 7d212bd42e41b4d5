"""Calls again at once, where the starter waited."""

CHANGES = (
    (
        "await clock.sleep(WAIT_S)",
        "await clock.sleep(0)",
    ),
)
