"""Keeps `open` as a key that expires after 30 s by the store's own time instead of the clock's."""

CHANGES = (
    (
        "        allowed, told = await",
        (
            '        if (left_ms := await self._store.pttl(self._key + ":open")) > 0:\n'
            "            raise CircuitOpen(left_ms / 1000)\n"
            "        allowed, told = await"
        ),
    ),
    ("        self._enter, self._leave", ("        self._store = store\n        self._enter, self._leave")),
    (
        "    redis.call('HSET', KEYS[1], 'until', now + cooldown_s)\n",
        (
            "    redis.call('HSET', KEYS[1], 'until', now)\n"
            "    redis.call('SET', KEYS[1] .. ':open', 1, 'EX', cooldown_s)\n"
        ),
    ),
)
