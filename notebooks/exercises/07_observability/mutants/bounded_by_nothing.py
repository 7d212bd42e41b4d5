"""Has a bound that is always right, since it is a million dollars."""

CHANGES = (
    (
        "most = price.of(most_input_tokens(request.messages), MAX_TOKENS)",
        "most = 10**15",
    ),
)
