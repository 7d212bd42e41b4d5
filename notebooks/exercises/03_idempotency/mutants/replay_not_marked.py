"""A replay looks like a first answer."""

CHANGES = (
    (
        "dataclass, replace",
        "dataclass",
    ),
    (
        'replace(Response(**there["answer"]), replayed=True',
        'Response(**there["answer"]',
    ),
)
