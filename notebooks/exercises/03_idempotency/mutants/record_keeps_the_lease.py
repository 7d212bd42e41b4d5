"""The record takes over what is left of the claim's lease."""

CHANGES = (
    (
        "DAY_S = 24 * 3600\n",
        "",
    ),
    (
        "ex=DAY_S",
        "keepttl=True",
    ),
)
