"""Keeps another model's answer as if it were the first one's."""

CHANGES = (
    (
        ("        if model is self._models[0]:\n            self._kept[key_of(ask)] = Kept(text, self._clock.now())\n"),
        ("        self._kept[key_of(ask)] = Kept(text, self._clock.now())\n        if model is self._models[0]:\n"),
    ),
)
