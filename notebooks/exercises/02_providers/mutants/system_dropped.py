"""Anthropic's system message is filtered out of the turns and passed on nowhere."""

CHANGES = (
    (
        ('        system = "\\n\\n".join(one["content"] for one in messages if one["role"] == "system")\n'),
        "",
    ),
    (
        "system=system or anthropic.omit, messages",
        "messages",
    ),
)
