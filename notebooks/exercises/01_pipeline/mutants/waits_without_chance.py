"""Waits as long as everybody else."""

CHANGES = (("state.rng.uniform(0, min(CAP_S, BASE_S * 2**number))", "min(CAP_S, BASE_S * 2**number)"),)
