"""Shows one tenant's kept answers to the other."""

CHANGES = (
    (
        "json.dumps([ask.tenant, [",
        "json.dumps([[",
    ),
)
