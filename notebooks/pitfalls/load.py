"""An open load: requests go out when they are due, however the application fares, and each is answered or not.

Arrivals are as many as planned, at moments that a seed draws (a Poisson process of which the count is known), so every
side gets the same. Read `counting.py` next: what is made of the answers.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

GET, POST = "GET", "POST"


@dataclass(frozen=True, slots=True)
class Due:
    """A request and when it is due, in seconds since the load began; `kind` tells which figures count it."""

    at_s: float
    kind: str
    path: str
    body: dict[str, Any] | None = None

    @property
    def method(self) -> str:
        """A request with a body is posted."""
        return GET if self.body is None else POST


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request. `status` None: no answer, since nobody took it (`lost`) or it was still open at the end.

    `end_s` is when it ended, or when nobody waited any more.
    """

    due: Due
    sent_s: float
    end_s: float
    status: int | None
    lost: bool
    text: str = ""

    @property
    def ok(self) -> bool:
        """Whether there was an answer that a person can use."""
        return self.status == 200

    @property
    def waited_s(self) -> float:
        """From when it was due, so that a late generator does not flatter anybody; of an open one, so far."""
        return self.end_s - self.due.at_s


def moments(seed: int, count: int, from_s: float, to_s: float) -> list[float]:
    """So many moments between the two, in order; the same for the same seed."""
    draw = random.Random(seed)  # noqa: S311 - arrivals, not secrets
    return sorted(draw.uniform(from_s, to_s) for _ in range(count))


def session() -> aiohttp.ClientSession:
    """A client that may have any number of connections: an open load does not queue at itself."""
    timeout = aiohttp.ClientTimeout(total=None)  # `send` bounds it
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout, trust_env=False)


class Clock:
    """Seconds since the load began, on the loop's clock."""

    def __init__(self) -> None:
        self._began = asyncio.get_running_loop().time()

    @property
    def now_s(self) -> float:
        """Seconds since then."""
        return asyncio.get_running_loop().time() - self._began

    async def wait(self, at_s: float) -> None:
        """Until that moment; at once when it is over."""
        await asyncio.sleep(max(at_s - self.now_s, 0.0))


async def send(client: aiohttp.ClientSession, clock: Clock, due: Due, url: Callable[[], str], until_s: float) -> Answer:
    """Send it when it is due to whom `url` names then; wait until `until_s` at most."""
    await clock.wait(due.at_s)
    sent_s = clock.now_s
    status, lost, text = None, False, ""
    try:
        async with (
            asyncio.timeout(max(until_s - sent_s, 0.0)),
            client.request(due.method, url() + due.path, json=due.body) as response,
        ):
            text = await response.text()
            status = response.status
    except TimeoutError:
        pass
    except aiohttp.ClientError:
        lost = True
    return Answer(due, sent_s, clock.now_s, status, lost, text)


async def send_all(
    client: aiohttp.ClientSession, clock: Clock, dues: Sequence[Due], url: Callable[[], str], until_s: float
) -> list[Answer]:
    """All of them, each at its own moment."""
    return list(await asyncio.gather(*(send(client, clock, due, url, until_s) for due in dues)))
