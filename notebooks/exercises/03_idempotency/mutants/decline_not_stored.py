"""A decline is answered and forgotten: the next click asks the bank again."""

CHANGES = (
    (
        (
            '            return Response(502, {"error": f"no word of the payments provider '
            '({error}); try again with this key"})\n'
        ),
        (
            '            return Response(502, {"error": f"no word of the payments provider '
            '({error}); try again with this key"})\n'
            "        if response.status != 200:\n"
            "            await self._store.eval(FREE, 1, record, claim)\n"
            "            return response\n"
        ),
    ),
)
