"""Keeps the attempts in one list, which each request empties when it begins."""

CHANGES = (
    (
        "    attempts: list[Attempt] = []\n    outcome",
        ("    attempts = ATTEMPTS_MADE\n    attempts.clear()\n    outcome"),
    ),
    (
        "\nasync def ask(",
        ("\nATTEMPTS_MADE: list[Attempt] = []\n\n\nasync def ask("),
    ),
)
