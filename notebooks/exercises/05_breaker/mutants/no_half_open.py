"""After the cool-down everybody is let in, until one of them comes back."""

CHANGES = (
    (
        ("  redis.call('HSET', KEYS[1], 'until', now + lease_s)\n  redis.call('HINCRBY', KEYS[1], 'generation', 1)\n"),
        "",
    ),
)
