"""A bucket fills for as long as nobody asks."""

CHANGES = (("min(BURST, self.tokens + (now_s - self.at_s) * per_s)", "self.tokens + (now_s - self.at_s) * per_s"),)
