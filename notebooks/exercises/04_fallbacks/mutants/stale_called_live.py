"""Says of a kept answer that it is live."""

CHANGES = (
    (
        'return Reply(kept.text, "stale", degraded=why, age_s=self._clock.now() - kept.at_s)',
        'return Reply(kept.text, "live")',
    ),
)
