"""A call that finds the provider still dead begins no new cool-down."""

CHANGES = (
    (
        "        self.failures += 1\n        self.opened_s = now_s",
        ("        self.failures += 1\n        if self.failures <= THRESHOLD:\n            self.opened_s = now_s"),
    ),
)
