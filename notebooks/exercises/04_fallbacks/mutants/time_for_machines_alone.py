"""Does not tell the person when to come again."""

CHANGES = (
    (
        "Please ask again in {seconds} seconds.",
        "Please ask again later.",
    ),
    (
        'f"No model',
        '"No model',
    ),
)
