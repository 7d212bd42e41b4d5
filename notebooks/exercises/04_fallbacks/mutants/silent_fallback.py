"""Says of another provider's answer that it is live."""

CHANGES = (
    (
        'return Reply(text, "smaller_model" if model.small else "provider", degraded=why)',
        'return Reply(text, "live")',
    ),
)
