"""Takes one price for all tokens."""

CHANGES = (
    (
        "output_tokens * self.output",
        "output_tokens * self.input",
    ),
)
