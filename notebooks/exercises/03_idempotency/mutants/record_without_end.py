"""Records stay for ever."""

CHANGES = (
    (
        "DAY_S = 24 * 3600\n",
        "",
    ),
    (
        ", ex=DAY_S",
        "",
    ),
)
