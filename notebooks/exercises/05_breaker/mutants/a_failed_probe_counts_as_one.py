"""A probe that fails is the first of five new failures: the circuit is closed meanwhile."""

CHANGES = (
    (
        "  local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)\n",
        (
            "  if is_probe then redis.call('HDEL', KEYS[1], 'failures', 'until') end\n"
            "  local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)\n"
        ),
    ),
    ("if is_probe or failures >= threshold", "if failures >= threshold"),
)
