"""Each request that is refused begins the cool-down anew: under load it never ends."""

CHANGES = (
    (
        "if left_s > 0 then return {0",
        ("if left_s > 0 then\n    redis.call('HSET', KEYS[1], 'until', now + 30)\n    return {0"),
    ),
    ("tostring(left_s)} end", ("tostring(left_s)}\n  end")),
)
