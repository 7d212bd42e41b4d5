"""The downstream key holds what only this process knows: another one charges anew."""

CHANGES = (
    (
        "DAY_S = 24 * 3600\n",
        ("DAY_S = 24 * 3600\nREPLICA = uuid.uuid4().hex\n"),
    ),
    (
        "key=downstream_key",
        'key=f"{downstream_key}-{REPLICA}"',
    ),
)
