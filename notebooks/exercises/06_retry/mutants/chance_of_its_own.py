"""Takes the module's random numbers, not those of `rng`: no run can be repeated."""

CHANGES = (("rng.uniform(0,", "random.uniform(0,"),)
