"""Enters an attempt when its call has ended; one that is cancelled never gets there."""

CHANGES = (
    (
        "    attempts.append(attempt)\n    try:",
        "    try:",
    ),
    (
        "        attempt.status = error.status\n",
        "        attempts.append(attempt)\n        attempt.status = error.status\n",
    ),
    (
        "    attempt.status = 200\n",
        "    attempts.append(attempt)\n    attempt.status = 200\n",
    ),
)
