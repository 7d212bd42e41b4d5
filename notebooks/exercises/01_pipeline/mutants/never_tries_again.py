"""Once open, open for good."""

CHANGES = (
    (
        (
            "        if self.probing or now_s < self.opened_s + COOLDOWN_S:\n"
            "            raise CircuitOpen\n"
            "        self.probing = True\n"
            "        return True"
        ),
        "        raise CircuitOpen",
    ),
)
