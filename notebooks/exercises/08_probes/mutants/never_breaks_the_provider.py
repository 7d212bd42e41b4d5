"""Has a provider that is always well."""

CHANGES = (
    (
        "async def probe_a_failure_is_told_and_not_kept(",
        "async def left_out_a_failure_is_told_and_not_kept(",
    ),
)
