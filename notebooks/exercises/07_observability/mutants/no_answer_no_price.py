"""Takes an answer without text for one that costs nothing."""

CHANGES = (
    (
        "    attempt.settle(price, answer.input_tokens, answer.output_tokens)\n    if not answer.text:\n",
        "    if not answer.text:\n        attempt.settle(price, 0, 0)\n",
    ),
    (
        "    return answer.text\n",
        "    attempt.settle(price, answer.input_tokens, answer.output_tokens)\n    return answer.text\n",
    ),
)
