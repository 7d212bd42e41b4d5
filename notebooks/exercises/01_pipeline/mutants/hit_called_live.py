"""Says of a kept answer that it is live."""

CHANGES = (
    (
        'return replace(kept.reply, source="cache")',
        "return kept.reply",
    ),
)
