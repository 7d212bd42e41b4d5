"""Shows a kept answer however old it is."""

CHANGES = (
    (
        "if kept is None or self._clock.now() - kept.at_s > STALE_S:",
        "if kept is None:",
    ),
)
