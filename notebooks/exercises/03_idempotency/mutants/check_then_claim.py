"""Looks first and claims in a second step: whoever looks in between finds nothing."""

CHANGES = (
    (
        "        there: Any = await self._store.set(record, claim, nx=True, get=True, px=self._lease_ms",
        "        there = await self._store.get(record",
    ),
    (
        "            return _again(json.loads(there), asked)\n",
        (
            "            return _again(json.loads(there), asked)\n"
            "        await self._store.set(record, claim, px=self._lease_ms)\n"
        ),
    ),
)
