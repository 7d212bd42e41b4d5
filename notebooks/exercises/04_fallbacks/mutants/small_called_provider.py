"""Says of the small model's answer that a large one gave it."""

CHANGES = (
    (
        'return Reply(text, "smaller_model" if model.small else "provider", degraded=why)',
        'return Reply(text, "provider", degraded=why)',
    ),
)
