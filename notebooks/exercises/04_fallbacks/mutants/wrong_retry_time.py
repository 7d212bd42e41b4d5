"""Tells when the first provider of the list is back, not the first that is back."""

CHANGES = (
    (
        "min(model.circuit.returns_in_s() for model in self._models)",
        "self._models[0].circuit.returns_in_s()",
    ),
)
