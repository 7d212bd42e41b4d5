"""Knows one tenant."""

CHANGES = (
    (
        "async def probe_tenants_share_no_answers(",
        "async def left_out_tenants_share_no_answers(",
    ),
    (
        "async def probe_tenants_share_no_limit(",
        "async def left_out_tenants_share_no_limit(",
    ),
)
