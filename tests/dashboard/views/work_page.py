"""The Work page under AppTest: its buttons, and how it is drawn beside a test's loop and read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from tests.waiting import eventually

App = Callable[..., AppTest]
BELOW, ABOVE, ANALYSE = "Refund below the limit", "Refund above the limit", "Start an analysis"
WITHIN_S = 60.0


async def run(at: AppTest) -> AppTest:
    """Draw the page beside the test's loop."""
    await asyncio.to_thread(at.run)
    assert not at.exception
    return at


def shown(at: AppTest) -> str:
    """All that is written on the page."""
    kinds = (at.html, at.markdown, at.caption, at.info, at.warning, at.error)
    return "\n".join(element.value for kind in kinds for element in kind)


async def until(at: AppTest, words: str) -> None:
    async def there() -> bool:
        return words in shown(await run(at))

    await eventually(there, f"{words!r} on the page", within_s=WITHIN_S)
