"""A lock makes one of ten, in this process; the other replica has a lock of its own."""

CHANGES = (
    (
        "import hashlib\n",
        ("import asyncio\nimport hashlib\n"),
    ),
    (
        "        self._store, self._charge, self._lease_ms = store, charge, round(lease_s * 1000)\n",
        (
            "        self._store, self._charge, self._lease_ms = store, charge, round(lease_s * 1000)\n"
            "        self._lock = asyncio.Lock()\n"
        ),
    ),
    (
        "    async def pay(self, caller: str, key: str | None, body: Mapping[str, Any]) -> Response:\n",
        (
            "    async def pay(self, caller: str, key: str | None, body: Mapping[str, Any]) -> Response:\n"
            '        """One after another."""\n'
            "        async with self._lock:\n"
            "            return await self._pay(caller, key, body)\n"
            "\n"
            "    async def _pay(self, caller: str, key: str | None, body: Mapping[str, Any]) -> Response:\n"
        ),
    ),
    (
        "        there: Any = await self._store.set(record, claim, nx=True, get=True, px=self._lease_ms",
        "        there = await self._store.get(record",
    ),
)
