"""Counts a 400 as a failure of the provider."""

CHANGES = (
    (
        "if is_providers_fault(error) and error.status != 429:",
        "if error.status != 429:",
    ),
)
