"""Takes from the budget before it asks whether the error may pass: 400s use up what an outage needs."""

CHANGES = (
    (
        "is_last or not is_retryable(error) or not budget.take()",
        "is_last or not budget.take() or not is_retryable(error)",
    ),
)
