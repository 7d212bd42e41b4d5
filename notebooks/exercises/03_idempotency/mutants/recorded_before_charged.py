"""Writes down that it was paid, and then pays."""

CHANGES = (
    (
        "import uuid\n",
        "",
    ),
    (
        "_charge, self._lease_ms = store, charge, round(lease_s * 1000)",
        "_charge = store, charge",
    ),
    (
        (
            '        record, claim = f"idempotency:{name}", json.dumps({"asked": asked, "owner": '
            "uuid.uuid4().hex})\n"
            "        there: Any = await self._store.set(record, claim, nx=True, get=True, "
            "px=self._lease_ms)\n"
        ),
        (
            '        record, done = f"idempotency:{name}", Response(200, {"amount": body["amount"], '
            '"status": "paid"})\n'
            '        claim = json.dumps({"asked": asked, "answer": asdict(done)})\n'
            "        there: Any = await self._store.set(record, claim, nx=True, get=True, ex=DAY_S)\n"
        ),
    ),
    (
        (
            '            return Response(200, await self._charge(body["amount"], body["currency"], '
            "key=downstream_key))\n"
        ),
        (
            '            await self._charge(body["amount"], body["currency"], key=downstream_key)\n'
            '            return Response(200, {"amount": body["amount"], "status": "paid"})\n'
        ),
    ),
    (
        (
            '    if "answer" not in there:\n'
            '        return Response(409, {"error": "a request with this key is in flight; try again '
            'in a moment"})\n'
        ),
        "",
    ),
)
