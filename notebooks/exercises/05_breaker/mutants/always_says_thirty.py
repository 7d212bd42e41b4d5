"""Tells everybody to come back in 30 s, also one second before the end."""

CHANGES = (("CircuitOpen(float(told))", "CircuitOpen(COOLDOWN_S)"),)
