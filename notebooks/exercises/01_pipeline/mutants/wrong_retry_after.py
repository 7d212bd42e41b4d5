"""Says a minute, where a token is back in a second."""

CHANGES = (
    (
        "raise RateLimited((1 - self.tokens) / per_s)",
        "raise RateLimited(60.0)",
    ),
)
