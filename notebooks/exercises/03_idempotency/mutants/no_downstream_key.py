"""The payments provider is given no key, and moves money at each call."""

CHANGES = (
    (
        ", key=downstream_key",
        "",
    ),
)
