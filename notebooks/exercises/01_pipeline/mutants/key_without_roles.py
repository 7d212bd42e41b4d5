"""Forgets in the key who said what."""

CHANGES = (
    (
        "[dict(message) for message",
        '[message["content"] for message',
    ),
)
