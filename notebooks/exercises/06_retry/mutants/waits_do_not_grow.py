"""Each wait is like the first."""

CHANGES = (("min(CAP_S, BASE_S * 2 ** (attempt - 1))", "BASE_S"),)
