"""Fills no bucket again."""

CHANGES = (
    (
        "        self.tokens = min(BURST, self.tokens + (now_s - self.at_s) * per_s)\n",
        "",
    ),
)
