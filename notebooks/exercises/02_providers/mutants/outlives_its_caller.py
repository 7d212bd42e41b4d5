"""The call is shielded: a caller who leaves leaves it running."""

CHANGES = (
    (
        "from collections.abc import Awaitable, Callable, Mapping, Sequence\n",
        ("import asyncio\nfrom collections.abc import Awaitable, Callable, Mapping, Sequence\n"),
    ),
    (
        "await asked",
        "await asyncio.shield(asyncio.ensure_future(asked))",
    ),
)
