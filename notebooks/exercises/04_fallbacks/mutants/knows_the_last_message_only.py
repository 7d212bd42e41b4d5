"""Keeps an answer under its last message: one conversation is shown what another was told."""

CHANGES = (
    (
        "[dict(message) for message in ask.messages]]",
        "dict(ask.messages[-1])]",
    ),
)
