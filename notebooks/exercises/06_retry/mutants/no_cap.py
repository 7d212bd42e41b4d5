"""The waits double without end."""

CHANGES = (("min(CAP_S, BASE_S * 2 ** (attempt - 1))", "BASE_S * 2 ** (attempt - 1)"),)
