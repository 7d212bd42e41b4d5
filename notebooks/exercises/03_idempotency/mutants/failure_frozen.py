"""Whatever came of it is stored, a lost answer too."""

CHANGES = (
    (
        (
            "            await self._store.eval(FREE, 1, record, claim)\n"
            '            return Response(502, {"error": f"no word of the payments provider '
            '({error}); try again with this key"})\n'
        ),
        ('            response = Response(502, {"error": f"no word of the payments provider ({error})"})\n'),
    ),
)
