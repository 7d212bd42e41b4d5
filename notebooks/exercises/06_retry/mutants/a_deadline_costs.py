"""Takes from the budget before it looks at the deadline."""

CHANGES = (
    ("attempt == attempts or clock.now() + wait_s >= deadline_s", "attempt == attempts"),
    (
        "is_last or not is_retryable(error) or not budget.take()",
        "is_last or not is_retryable(error) or not budget.take() or clock.now() + wait_s >= deadline_s",
    ),
)
