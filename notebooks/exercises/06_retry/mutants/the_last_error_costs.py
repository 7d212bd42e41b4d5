"""Takes from the budget for the last error, too, which nobody tries again."""

CHANGES = (
    ("attempt == attempts or clock.now() + wait_s >= deadline_s", "clock.now() + wait_s >= deadline_s"),
    (
        "is_last or not is_retryable(error) or not budget.take()",
        "is_last or not is_retryable(error) or not budget.take() or attempt == attempts",
    ),
)
