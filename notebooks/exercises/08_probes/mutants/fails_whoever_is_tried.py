"""Has a probe that fails for every desk, the right ones too."""

CHANGES = (
    (
        "async def probe_an_answer_is_kept_for_a_while(",
        (
            "async def probe_an_answer_comes_with_its_source(desk: Desk, lab: Lab) -> None:\n"
            '    answer = await desk.ask("acme", QUESTION)\n'
            '    assert answer.startswith("source:"), "the answer names no source"\n'
            "\n"
            "\n"
            "async def probe_an_answer_is_kept_for_a_while("
        ),
    ),
)
