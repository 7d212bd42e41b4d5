"""Asks ten times, one after the other: there is no race without two in it."""

CHANGES = (
    (
        '    await asyncio.gather(*(desk.ask("acme", QUESTION) for _ in range(10)))\n',
        '    for _ in range(10):\n        await desk.ask("acme", QUESTION)\n',
    ),
)
