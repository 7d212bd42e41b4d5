"""Knows a question by its last message alone."""

CHANGES = (
    (
        "for message in ask.messages]",
        "for message in ask.messages[-1:]]",
    ),
)
