"""Looks first and writes when all is done: ten at once all find nothing."""

CHANGES = (
    (
        "        there: Any = await self._store.set(record, claim, nx=True, get=True, px=self._lease_ms",
        "        there = await self._store.get(record",
    ),
)
