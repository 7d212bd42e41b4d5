"""Claims and records live in a dict of this process."""

CHANGES = (
    (
        "        self._store, self._charge, self._lease_ms = store, charge, round(lease_s * 1000)\n",
        (
            "        self._store, self._charge, self._lease_ms = store, charge, round(lease_s * 1000)\n"
            "        self._records: dict[str, str] = {}\n"
        ),
    ),
    (
        (
            "        there: Any = await self._store.set(record, claim, nx=True, get=True, "
            "px=self._lease_ms)\n"
            "        if there is not None:\n"
        ),
        ("        there = self._records.setdefault(record, claim)\n        if there != claim:\n"),
    ),
    (
        (
            "            await self._store.eval(FREE, 1, record, claim)\n"
            '            return Response(502, {"error": f"no word of the payments provider '
            '({error}); try again with this key"})\n'
            '        await self._store.set(record, json.dumps({"asked": asked, "answer": '
            "asdict(response)}), ex=DAY_S)\n"
        ),
        (
            "            del self._records[record]\n"
            '            return Response(502, {"error": f"no word of the payments provider '
            '({error}); try again with this key"})\n'
            '        self._records[record] = json.dumps({"asked": asked, "answer": asdict(response)})\n'
        ),
    ),
)
