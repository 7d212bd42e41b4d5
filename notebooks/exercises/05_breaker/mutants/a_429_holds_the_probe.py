"""A probe that ends with 429 keeps its place until its lease ends: nobody else may look meanwhile."""

CHANGES = ((("elseif is_probe then\n  redis.call('HSET', KEYS[1], 'until', now)\n"), ""),)
