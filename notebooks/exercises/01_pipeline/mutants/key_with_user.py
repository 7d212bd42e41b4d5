"""Keeps each user's answers apart, so that colleagues pay for the same question again."""

CHANGES = (
    (
        "parts = [ask.tenant,",
        "parts = [ask.tenant, ask.user,",
    ),
)
