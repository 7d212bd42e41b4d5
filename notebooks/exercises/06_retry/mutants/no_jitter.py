"""Waits exactly 0.2, 0.4, 0.8 s: all who failed together come back together."""

CHANGES = (("rng.uniform(0, min(CAP_S, BASE_S * 2 ** (attempt - 1)))", "min(CAP_S, BASE_S * 2 ** (attempt - 1))"),)
