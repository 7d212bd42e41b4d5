"""The probe's lease is a key that expires by the store's own time instead of the clock's."""

CHANGES = (
    (
        "  if left_s > 0 then return",
        (
            "  if left_s <= 0 and not redis.call('SET', KEYS[1] .. ':probe', 1, 'NX', 'EX', lease_s) then\n"
            "    left_s = lease_s\n"
            "  end\n"
            "  if left_s > 0 then return"
        ),
    ),
    ("  redis.call('HSET', KEYS[1], 'until', now + lease_s)\n", ""),
    (
        "local is_probe = redis.call('HEXISTS', KEYS[1], 'until') == 1\n",
        ("local is_probe = redis.call('HEXISTS', KEYS[1], 'until') == 1\nredis.call('DEL', KEYS[1] .. ':probe')\n"),
    ),
)
