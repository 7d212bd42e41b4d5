"""Begins to count anew where the count is full: the circuit never opens."""

CHANGES = (
    (
        (
            "        if self.probing or now_s < self.opened_s + COOLDOWN_S:\n"
            "            raise CircuitOpen\n"
            "        self.probing = True\n"
            "        return True"
        ),
        "        self.failures = 0\n        return False",
    ),
)
