"""Waits after the last failure, too, and raises then."""

CHANGES = (
    (
        "is_last = attempt == attempts or clock.now() + wait_s >= deadline_s",
        "is_last = clock.now() + wait_s >= deadline_s",
    ),
    (
        ('        await clock.sleep(wait_s)\n    raise ValueError(f"attempts: expected at least 1, got {attempts}")'),
        (
            "        await clock.sleep(wait_s)\n"
            "        if attempt == attempts:\n"
            "            raise failed\n"
            '    raise ValueError(f"attempts: expected at least 1, got {attempts}")'
        ),
    ),
    ("                raise\n", ("                raise\n            failed = error\n")),
)
