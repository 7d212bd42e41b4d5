"""After a probe that fails the next one goes at once: the cool-down counts from the first opening."""

CHANGES = (
    (
        "  if is_probe or failures >= threshold then\n",
        (
            "  if is_probe then\n"
            "    redis.call('HSET', KEYS[1], 'until', now)\n"
            "    redis.call('HINCRBY', KEYS[1], 'generation', 1)\n"
            "  elseif failures >= threshold then\n"
        ),
    ),
)
