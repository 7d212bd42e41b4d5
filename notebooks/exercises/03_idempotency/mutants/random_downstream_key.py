"""Each try goes downstream under a key of its own."""

CHANGES = (
    (
        "key=downstream_key",
        'key=f"{downstream_key}-{uuid.uuid4().hex}"',
    ),
)
