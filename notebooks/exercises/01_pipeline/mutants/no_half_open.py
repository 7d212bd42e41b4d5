"""As the chapter's sketch: after the cool-down everybody calls at once."""

CHANGES = (
    (
        "if self.probing or now_s <",
        "if now_s <",
    ),
)
