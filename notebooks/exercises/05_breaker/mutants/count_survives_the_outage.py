"""Closes, and still holds the failures from before: the next one opens it again."""

CHANGES = (
    (
        ("  redis.call('HDEL', KEYS[1], 'failures', 'until')\n  if is_probe then"),
        ("  redis.call('HDEL', KEYS[1], is_probe and 'until' or 'failures')\n  if is_probe then"),
    ),
)
