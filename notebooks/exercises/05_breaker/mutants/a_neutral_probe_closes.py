"""A probe that ends with 429 closes the circuit: all who wait come at once."""

CHANGES = (
    (
        "elseif is_probe then\n  redis.call('HSET', KEYS[1], 'until', now)\n",
        "elseif is_probe then\n  redis.call('HDEL', KEYS[1], 'until')\n",
    ),
)
