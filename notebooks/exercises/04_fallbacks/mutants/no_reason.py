"""Says where an answer came from, and not why."""

CHANGES = (
    (
        'return Reply(text, "smaller_model" if model.small else "provider", degraded=why)',
        'return Reply(text, "smaller_model" if model.small else "provider")',
    ),
)
