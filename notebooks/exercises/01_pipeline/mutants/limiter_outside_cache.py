"""Takes a token for what the cache has."""

CHANGES = (
    (
        "(cache, rate_limit, fallback",
        "(rate_limit, cache, fallback",
    ),
)
