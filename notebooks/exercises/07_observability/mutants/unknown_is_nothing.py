"""Books a call without an answer as one that cost nothing."""

CHANGES = (
    (
        "        if error.status is not None:\n            attempt.settle(price, 0, 0)\n",
        "        attempt.settle(price, 0, 0)\n",
    ),
)
