"""Judges by what comes back, and never looks at the ledger."""

CHANGES = (
    (
        "async def probe_an_answer_is_kept_for_a_while(",
        "async def left_out_an_answer_is_kept_for_a_while(",
    ),
    (
        "async def probe_tenants_share_no_answers(",
        "async def left_out_tenants_share_no_answers(",
    ),
    (
        "async def probe_each_question_has_its_answer(",
        "async def left_out_each_question_has_its_answer(",
    ),
    (
        "async def probe_ten_at_once_are_one_call(",
        "async def left_out_ten_at_once_are_one_call(",
    ),
    (
        "async def probe_what_is_refused_is_not_called(",
        "async def left_out_what_is_refused_is_not_called(",
    ),
)
