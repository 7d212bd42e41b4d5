"""Ends where the desk refuses, and does not see what comes after."""

CHANGES = (
    (
        "async def probe_the_limit_comes_back(",
        "async def left_out_the_limit_comes_back(",
    ),
)
