"""Keeps the question in the record, to look at when something went wrong."""

CHANGES = (
    (
        "    most_nano_usd: int = 0\n",
        '    most_nano_usd: int = 0\n    question: str = ""\n',
    ),
    (
        "outcome, attempts, cost, most))",
        "outcome, attempts, cost, most, text_of(request)))",
    ),
    (
        "\ndef pseudonym",
        ('\ndef text_of(request: Request) -> str:\n    return request.messages[-1]["content"]\n\n\ndef pseudonym'),
    ),
)
