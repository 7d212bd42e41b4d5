"""Has a probe that catches its own AssertionError with all the rest."""

CHANGES = (
    (
        "async def probe_an_answer_is_kept_for_a_while(",
        (
            "async def probe_a_bad_provider_is_survived(desk: Desk, lab: Lab) -> None:\n"
            "    await lab.breaks(times=1)\n"
            "    for _ in range(2):\n"
            "        try:\n"
            '            assert await desk.ask("acme", QUESTION), "no answer"\n'
            "        except Exception as error:\n"
            '            print("failed:", error)\n'
            "\n"
            "\n"
            "async def probe_an_answer_is_kept_for_a_while("
        ),
    ),
)
