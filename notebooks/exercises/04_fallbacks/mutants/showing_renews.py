"""Showing a kept answer makes it young again."""

CHANGES = (
    (
        '        return Reply(kept.text, "stale", degraded=why, age_s=self._clock.now() - kept.at_s)',
        (
            "        self._kept[key_of(ask)] = Kept(kept.text, self._clock.now())\n"
            '        return Reply(kept.text, "stale", degraded=why, age_s=self._clock.now() - kept.at_s)'
        ),
    ),
    (
        "; showing it makes it no younger",
        "",
    ),
)
