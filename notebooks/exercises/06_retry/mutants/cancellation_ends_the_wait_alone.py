"""Catches the cancellation of its wait, and calls again."""

CHANGES = (
    (
        "        await clock.sleep(wait_s)\n",
        ("        with contextlib.suppress(asyncio.CancelledError):\n            await clock.sleep(wait_s)\n"),
    ),
    ("import random\n", ("import asyncio\nimport contextlib\nimport random\n")),
)
