"""One failure too late."""

CHANGES = (("failures >= threshold", "failures > threshold"),)
