"""Tells the first circuit of every call, whoever was called: the other's answers close it."""

CHANGES = (
    (
        "model.circuit.record(True)",
        "self._models[0].circuit.record(True)",
    ),
)
