"""Takes `attempts` for the number of retries."""

CHANGES = (
    ("range(1, attempts + 1)", "range(1, attempts + 2)"),
    ("attempt == attempts or", "attempt > attempts or"),
)
