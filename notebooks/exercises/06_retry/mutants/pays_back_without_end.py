"""A quiet day earns thousands of retries for the next outage."""

CHANGES = (("min(self._full, self.tokens + PAYBACK)", "self.tokens + PAYBACK"),)
