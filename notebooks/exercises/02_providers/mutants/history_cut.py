"""OpenAI gets the system message and the last turn, nothing between."""

CHANGES = (
    (
        "list(messages)",
        '[one for one in messages if one["role"] == "system" or one is messages[-1]]',
    ),
)
