"""Nobody takes the place of a probe whose process died."""

CHANGES = (
    (
        "  if left_s > 0 then return",
        (
            "  if left_s <= 0 and redis.call('HEXISTS', KEYS[1], 'probing') == 1 then left_s = lease_s end\n"
            "  if left_s > 0 then return"
        ),
    ),
    ("'until', now + lease_s)\n", "'until', now + lease_s, 'probing', 1)\n"),
    (
        "local is_probe = redis.call('HEXISTS', KEYS[1], 'until') == 1\n",
        ("local is_probe = redis.call('HEXISTS', KEYS[1], 'until') == 1\nredis.call('HDEL', KEYS[1], 'probing')\n"),
    ),
)
