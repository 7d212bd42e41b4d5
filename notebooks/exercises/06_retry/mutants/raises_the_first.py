"""Raises what went wrong first, not what went wrong last."""

CHANGES = (
    ("    for attempt in range", ("    first: ProviderError | None = None\n    for attempt in range")),
    ("            jitter_s =", ("            first = first or error\n            jitter_s =")),
    ("                raise\n", "                raise first from None\n"),
)
