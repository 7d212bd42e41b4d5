"""Has a probe that waits for a sixth call, which no desk that is right makes."""

CHANGES = (
    (
        "async def probe_an_answer_is_kept_for_a_while(",
        (
            "async def probe_a_sixth_call_is_made_later(desk: Desk, lab: Lab) -> None:\n"
            '    await use_up(desk, "acme")\n'
            '    await is_refused(desk, "acme", QUESTION)\n'
            "    later = asyncio.Event()\n"
            "    await later.wait()\n"
            '    assert await count(lab) == 6, "the sixth call was not made later"\n'
            "\n"
            "\n"
            "async def probe_an_answer_is_kept_for_a_while("
        ),
    ),
)
