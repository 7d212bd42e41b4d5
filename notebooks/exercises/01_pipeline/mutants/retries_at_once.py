"""Tries again without a wait."""

CHANGES = (
    (
        "        await state.clock.sleep(state.rng.uniform(0, min(CAP_S, BASE_S * 2**number)))\n",
        "",
    ),
    (
        "for number in range",
        "for _ in range",
    ),
)
