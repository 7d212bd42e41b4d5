"""Tells people to come again in 0 seconds where no circuit is open yet."""

CHANGES = (
    (
        "max(1, math.ceil(min(model.circuit.returns_in_s() for model in self._models)))",
        "math.ceil(min(model.circuit.returns_in_s() for model in self._models))",
    ),
)
