"""Keeps a reason ready that is none: even the first answer is called degraded."""

CHANGES = (
    (
        'return Reply(text, "live")',
        'return Reply(text, "live", degraded=("fallback:enabled",))',
    ),
)
