"""Looks at the time that is left when the ask comes, and never again."""

CHANGES = (
    (
        "        failed: set[str] = set()\n",
        ("        failed: set[str] = set()\n        at_first_s = ask.deadline_s - RESERVE_S - self._clock.now()\n"),
    ),
    (
        "self._why_not(model, left_s, failed)",
        "self._why_not(model, at_first_s, failed)",
    ),
    (
        "if model.small and left_s >=",
        "if model.small and at_first_s >=",
    ),
)
