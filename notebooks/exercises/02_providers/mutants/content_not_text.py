"""Hands out the SDK's content blocks instead of their text."""

CHANGES = (
    (
        '"".join(one.text for one in answer.content if one.type == "text")',
        "answer.content",
    ),
)
