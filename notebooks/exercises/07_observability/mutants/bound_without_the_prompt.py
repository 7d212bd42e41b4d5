"""Bounds the answer alone, as if the prompt cost nothing."""

CHANGES = (
    (
        "price.of(most_input_tokens(request.messages), MAX_TOKENS)",
        "price.of(0, MAX_TOKENS)",
    ),
)
