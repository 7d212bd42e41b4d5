"""Hands on the error of the small model, the last that is asked."""

CHANGES = (
    (
        "if not is_providers_fault(error):",
        "if model.small or not is_providers_fault(error):",
    ),
)
