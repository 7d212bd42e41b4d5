"""Numbers the attempts of each provider from 1."""

CHANGES = (
    (
        "return await called(request, provider, attempts)",
        "return await called(request, provider, attempts, number)",
    ),
    (
        'attempts: list[Attempt]) -> str:\n    """One call, and its entry."""',
        'attempts: list[Attempt], number: int) -> str:\n    """One call, and its entry."""',
    ),
    (
        "Attempt(len(attempts) + 1, provider.target",
        "Attempt(number, provider.target",
    ),
)
