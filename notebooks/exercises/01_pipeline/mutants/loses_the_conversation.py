"""Sends the last message alone, so that what was said before is lost."""

CHANGES = (
    (
        "provider(ask.messages,",
        "provider(ask.messages[-1:],",
    ),
)
