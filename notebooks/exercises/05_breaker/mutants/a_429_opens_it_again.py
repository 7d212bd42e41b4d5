"""A probe that ends with 429 opens the circuit for another cool-down."""

CHANGES = (
    (
        ("elseif is_probe then\n  redis.call('HSET', KEYS[1], 'until', now)"),
        ("elseif is_probe then\n  redis.call('HSET', KEYS[1], 'until', now + cooldown_s)"),
    ),
)
