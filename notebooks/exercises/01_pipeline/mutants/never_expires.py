"""Keeps answers for ever."""

CHANGES = (
    (
        "if kept is not None and state.clock.now() - kept.at_s < KEPT_S:",
        "if kept is not None:",
    ),
)
