"""Keeps the other provider's answer as if it were the first one's."""

CHANGES = (
    (
        '    if reply.source == "live":\n        state',
        "    state",
    ),
)
