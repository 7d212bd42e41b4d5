"""Counts failures, not failures in a row: a success forgets nothing."""

CHANGES = (
    (
        ("  redis.call('HDEL', KEYS[1], 'failures', 'until')\n  if is_probe then"),
        "  if is_probe then redis.call('HDEL', KEYS[1], 'failures', 'until')",
    ),
)
