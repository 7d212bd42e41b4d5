"""A worker's local copy of the fleet's shared state, so that reading it costs nothing.

Writers publish the whole new state of a key on one channel; every worker adopts what is newer than its own and reads
all keys anew each second, so that a lost message or a lost connection heals. Versions only grow, unless the store lost
what it had (a restart, a replica that lagged): what it says then is adopted, old as it is. Used by the breaker and the
stage switches. Next: ``../stages/breaker.py``.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import orjson
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ..clock import Clock
from ..errors import StoreUnavailable
from .guard import Store

log = structlog.get_logger(__name__)
CHANNEL = "gauntlet:state"
Fields = dict[str, str]


class Followed(NamedTuple):
    """Who follows a key: ``adopt`` takes its fields, ``version`` tells which one is held."""

    adopt: Callable[[Fields], None]
    version: Callable[[], int]


def news(given: int, *, held: int, asked_with: int) -> bool:
    """Whether version ``given``, asked for while ``asked_with`` was held, tells something to who has ``held`` now."""
    return given > held or given < asked_with


class Replica:
    """Keys that are followed, each with the function that adopts its fields.

    ``follow`` before ``start``. ``messages`` on other channels go to ``listen`` hooks.
    """

    def __init__(self, store: Store, url: str, *, refresh_s: float, clock: Clock) -> None:
        self._store = store
        self._redis = Redis.from_url(
            url, socket_timeout=None, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0), protocol=2
        )
        self._refresh_s = refresh_s
        self._clock = clock
        self._followed: dict[str, Followed] = {}
        self._hooks: dict[str, Callable[[bytes], None]] = {}
        self._beats: list[Callable[[], list[tuple[str | int | float, ...]]]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def follow(self, key: str, adopt: Callable[[Fields], None], *, version: Callable[[], int]) -> None:
        """Have ``adopt`` called with the fields of hash ``key`` when they are news to who holds ``version()``."""
        self._followed[key] = Followed(adopt, version)

    def listen(self, channel: str, hook: Callable[[bytes], None]) -> None:
        """Have ``hook`` called with each message on ``channel``."""
        self._hooks[channel] = hook

    def beat(self, commands: Callable[[], list[tuple[str | int | float, ...]]]) -> None:
        """Send the commands that ``commands`` returns with every refresh: a heartbeat."""
        self._beats.append(commands)

    async def start(self) -> None:
        """Read all keys once, then follow them until ``aclose``. A store that is away is no error."""
        await self.refresh()
        self._tasks = [asyncio.create_task(self._subscribe()), asyncio.create_task(self._refresh())]

    async def refresh(self) -> None:
        """Read every followed key now; keeps the old copy where the store is away."""
        asked_with = {key: followed.version() for key, followed in self._followed.items()}
        beats = [command for beat in self._beats for command in beat()]
        commands = [("HGETALL", key) for key in asked_with]
        answers = await asyncio.gather(
            *(self._store.execute(*command) for command in (*commands, *beats)), return_exceptions=True
        )
        for key, answer in zip(asked_with, answers, strict=False):
            if isinstance(answer, list):
                fields = {f.decode(): v.decode() for f, v in zip(answer[::2], answer[1::2], strict=True)}
                self._tell(key, fields, asked_with[key])
            elif isinstance(answer, BaseException) and not isinstance(answer, StoreUnavailable):
                raise answer

    def _tell(self, key: str, fields: Fields, asked_with: int = 0) -> None:
        """Pass on what is news. What cannot be read is told in the log, and the old copy kept."""
        followed = self._followed.get(key)
        if followed is None:
            return
        try:
            if news(int(fields.get("version", 0)), held=followed.version(), asked_with=asked_with):
                followed.adopt(fields)
        except ValueError:
            log.exception("state_unreadable", key=key)

    async def _refresh(self) -> None:
        while True:
            await self._clock.sleep(self._refresh_s)
            await self.refresh()

    async def _subscribe(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL, *self._hooks)
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            self._receive(message["channel"].decode(), message["data"])
            except (RedisError, OSError) as error:
                log.warning("subscription_lost", error=str(error) or type(error).__name__)
            await self._clock.sleep(self._refresh_s / 2)

    def _receive(self, channel: str, data: bytes) -> None:
        try:
            if channel != CHANNEL:
                self._hooks[channel](data)
                return
            message = orjson.loads(data)
            flat = [str(part) for part in message["fields"]]
            self._tell(message["key"], dict(zip(flat[::2], flat[1::2], strict=True)))
        except Exception:
            # One message that nobody can read must not end the subscription: the next one is about another thing.
            log.exception("message_unreadable", channel=channel)

    async def aclose(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()
