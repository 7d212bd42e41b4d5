"""Gives the first model all the time there is."""

CHANGES = (
    (
        "            others = {one.provider for one in self._models[place + 1 :]} - failed - {model.provider}\n",
        "",
    ),
    (
        "timeout_s=left_s / 2 if others else left_s",
        "timeout_s=left_s",
    ),
    (
        "for place, model in enumerate(self._models)",
        "for model in self._models",
    ),
)
