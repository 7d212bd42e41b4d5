"""Shows the kept answer first, and asks a model only without one."""

CHANGES = (
    (
        "        reasons: list[str] = []\n",
        (
            '        if kept := self._stale(ask, ("kept:first",)):\n'
            "            return kept\n"
            "        reasons: list[str] = []\n"
        ),
    ),
)
