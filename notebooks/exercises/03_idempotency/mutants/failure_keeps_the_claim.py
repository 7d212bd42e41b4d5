"""A failure leaves the claim: until its lease ends, whoever tries again is told that it is in flight."""

CHANGES = (
    (
        (
            "FREE = \"if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end\"\n"
            '"""Only whoever still holds the claim may drop it; compared and deleted in one step."""\n'
        ),
        "",
    ),
    (
        "            await self._store.eval(FREE, 1, record, claim)\n",
        "",
    ),
)
