"""Has a probe that asks and asserts nothing."""

CHANGES = (
    (
        "async def probe_an_answer_is_kept_for_a_while(",
        (
            "async def probe_many_questions(desk: Desk, lab: Lab) -> None:\n"
            '    for tenant in ("acme", "globex"):\n'
            "        await desk.ask(tenant, QUESTION)\n"
            "\n"
            "\n"
            "async def probe_an_answer_is_kept_for_a_while("
        ),
    ),
)
