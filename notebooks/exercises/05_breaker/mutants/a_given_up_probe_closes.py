"""The generation moves on only when the circuit opens first: a probe that was given up still closes it."""

CHANGES = (
    (
        ("  redis.call('HSET', KEYS[1], 'until', now + lease_s)\n  redis.call('HINCRBY', KEYS[1], 'generation', 1)\n"),
        "  redis.call('HSET', KEYS[1], 'until', now + lease_s)\n",
    ),
    (
        ("    redis.call('HINCRBY', KEYS[1], 'generation', 1)\n  end\nelseif"),
        ("    if not is_probe then redis.call('HINCRBY', KEYS[1], 'generation', 1) end\n  end\nelseif"),
    ),
)
