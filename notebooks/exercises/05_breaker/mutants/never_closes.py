"""A probe's success lets the next probe in, one at a time, for ever."""

CHANGES = (
    ("  redis.call('HDEL', KEYS[1], 'failures', 'until')\n", "  redis.call('HDEL', KEYS[1], 'failures')\n"),
    (
        "if is_probe then redis.call('HINCRBY', KEYS[1], 'generation', 1) end",
        "if is_probe then redis.call('HSET', KEYS[1], 'until', now) end",
    ),
)
