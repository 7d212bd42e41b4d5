"""Gives each call the usual thirty seconds, whatever the user's deadline is."""

CHANGES = (
    (
        "            others = {one.provider for one in self._models[place + 1 :]} - failed - {model.provider}\n",
        "",
    ),
    (
        "timeout_s=left_s / 2 if others else left_s",
        "timeout_s=30.0",
    ),
    (
        "for place, model in enumerate(self._models)",
        "for model in self._models",
    ),
)
