"""Asks the small model whenever the others failed, of the provider that just failed."""

CHANGES = (
    (
        (
            "            if model.small and left_s >= ENOUGH_S:\n"
            "                continue  # a large one failed with time enough: so would the small one\n"
        ),
        "",
    ),
    (
        '        return f"{model.provider}:failed" if model.provider in failed else ""',
        '        return ""',
    ),
)
