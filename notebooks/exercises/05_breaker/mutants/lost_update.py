"""Reads the count, adds one and writes it back: two at once count as one."""

CHANGES = (
    (
        '            verdict = "failure" if counts(error) else "none"\n',
        (
            '            verdict = "failure" if counts(error) else "none"\n'
            '            if verdict == "failure":\n'
            '                failures = int(await self._store.hget(self._key, "failures") or 0)\n'
            '                await self._store.hset(self._key, "failures", failures + 1)\n'
        ),
    ),
    ("redis.call('HINCRBY', KEYS[1], 'failures', 1)", "tonumber(redis.call('HGET', KEYS[1], 'failures'))"),
    ("        self._enter, self._leave", ("        self._store = store\n        self._enter, self._leave")),
)
