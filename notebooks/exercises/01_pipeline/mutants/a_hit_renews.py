"""A hit makes the answer young again, so what is asked often never grows old."""

CHANGES = (
    (
        '        return replace(kept.reply, source="cache")',
        '        kept.at_s = state.clock.now()\n        return replace(kept.reply, source="cache")',
    ),
)
