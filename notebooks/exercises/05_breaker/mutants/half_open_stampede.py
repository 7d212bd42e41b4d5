"""Looks whether the probe is free, then takes it: between the two others have looked, too."""

CHANGES = (
    (
        "        allowed, told = await self._enter(keys=[self._key], args=[self._clock.now(), LEASE_S])\n",
        (
            '        probing_until = float(await self._store.hget(self._key, "probing") or 0)\n'
            "        if probing_until > self._clock.now():\n"
            "            raise CircuitOpen(probing_until - self._clock.now())\n"
            "        allowed, told = await self._enter(keys=[self._key], args=[self._clock.now()])\n"
        ),
    ),
    (
        "            raise CircuitOpen(float(told))\n",
        (
            "            raise CircuitOpen(float(told))\n"
            "        if allowed == PROBE:\n"
            '            await self._store.hset(self._key, "probing", self._clock.now() + LEASE_S)\n'
        ),
    ),
    ("local now, lease_s = tonumber(ARGV[1]), tonumber(ARGV[2])", "local now, allowed = tonumber(ARGV[1]), 1"),
    (
        ("  redis.call('HSET', KEYS[1], 'until', now + lease_s)\n  redis.call('HINCRBY', KEYS[1], 'generation', 1)\n"),
        "  allowed = 2\n",
    ),
    ("return {1, redis.call('HGET', KEYS[1], 'gen", "return {allowed, redis.call('HGET', KEYS[1], 'gen"),
    ("        self._enter, self._leave", ("        self._store = store\n        self._enter, self._leave")),
    ("'failures', 'until')", "'failures', 'until', 'probing')"),
    ("LEASE_S = 10.0\n", ("LEASE_S = 10.0\nPROBE = 2\n")),
)
