"""Waits between 90 % and 100 %: a wave that is hardly wider."""

CHANGES = (
    (
        "rng.uniform(0, min(CAP_S, BASE_S * 2 ** (attempt - 1)))",
        "min(CAP_S, BASE_S * 2 ** (attempt - 1)) * rng.uniform(0.9, 1)",
    ),
)
