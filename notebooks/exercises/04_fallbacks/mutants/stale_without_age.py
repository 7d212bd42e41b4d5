"""Does not say how old a kept answer is."""

CHANGES = (
    (
        ", age_s=self._clock.now() - kept.at_s)",
        ")",
    ),
)
