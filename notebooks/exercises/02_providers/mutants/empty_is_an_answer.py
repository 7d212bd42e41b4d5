"""A 200 without a word is an answer of no words."""

CHANGES = (
    (
        (
            "    if not text:\n"
            '        raise BadAnswer("a 200 without a word", status=200, retryable=True)\n'
            "    return text\n"
        ),
        '    return text or ""\n',
    ),
)
