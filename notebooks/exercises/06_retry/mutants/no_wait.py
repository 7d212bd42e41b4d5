"""Tries again at once."""

CHANGES = (("rng.uniform(0, min(CAP_S, BASE_S * 2 ** (attempt - 1)))", "0.0"),)
