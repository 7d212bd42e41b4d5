"""Books every call of a request under the name of its first provider."""

CHANGES = (
    (
        "Attempt(len(attempts) + 1, provider.target, None",
        "Attempt(len(attempts) + 1, attempts[0].target if attempts else provider.target, None",
    ),
)
