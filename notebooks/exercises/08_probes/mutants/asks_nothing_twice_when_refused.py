"""Tries a tenant that has used up its calls with new questions only."""

CHANGES = (
    (
        "async def probe_what_is_kept_is_never_refused(",
        "async def left_out_what_is_kept_is_never_refused(",
    ),
)
