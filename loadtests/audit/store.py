"""The store of a service: paused for a moment, and searched for what must not be in it. Read `scene.py` next.

What is paused goes on even when nobody is left who knows of it (`loadtests/conduct/waking.py`).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from loadtests.audit.shape import Store, address
from loadtests.conduct.victim import Pause

LONGEST_PAUSE_S = 30.0
COMMAND_WITHIN_S = 30.0
TIMEOUT_S = 10.0
READ = {
    "string": ("GET",),
    "hash": ("HGETALL",),
    "list": ("LRANGE", "0", "-1"),
    "zset": ("ZRANGE", "0", "-1"),
    "set": ("SMEMBERS",),
    "stream": ("XRANGE", "-", "+"),
}
NEEDS_PAUSE = "[store] pid, or pause and resume; or the running `gauntlet up`"
NEEDS_URL = "[store] url, or the running `gauntlet up`"


class StoreFailed(Exception):
    """The store could not be paused, or not be read; the message says why."""


def can_pause(store: Store) -> bool:
    """Whether the shape says how."""
    return bool(store.pid or (store.pause and store.resume))


@asynccontextmanager
async def paused(store: Store) -> AsyncIterator[None]:
    """The store hangs while the block runs. Raises StoreFailed."""
    if not store.pid:
        try:
            await _run(store.pause)
            yield
        finally:
            await _run(store.resume)
        return
    try:  # not in a thread: nobody could be stopped between the pause and the promise to end it
        pause = Pause.of(store.pid, time.time(), LONGEST_PAUSE_S, "the store")
    except PermissionError as error:
        raise StoreFailed(f"the process {store.pid} cannot be paused ({error.strerror})") from error
    try:
        yield
    finally:
        pause.end()


async def _run(command: tuple[str, ...]) -> None:
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        async with asyncio.timeout(COMMAND_WITHIN_S):
            status = await process.wait()
    except (OSError, TimeoutError) as error:
        raise StoreFailed(f"{command[0]} did not do it ({error or 'it does not end'})") from error
    if status:
        raise StoreFailed(f"{' '.join(command)} ended with {status}")


@dataclass(frozen=True, slots=True)
class Held:
    """What a search of the store came to: `looked` keys, and those (sessions excepted) in which a value was."""

    looked: int
    sessions: int
    keys: tuple[str, ...]


async def holding(store: Store, values: tuple[str, ...]) -> Held:
    """Look for the values in the names and contents of all keys. Raises StoreFailed."""
    looked = sessions = 0
    keys: list[str] = []
    wanted = [value.encode() for value in values]
    try:
        async with Redis.from_url(store.url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as redis:
            async for key in redis.scan_iter(count=1000):
                looked += 1
                name = key.decode(errors="replace")
                if any(fnmatchcase(name, pattern) for pattern in store.sessions):
                    sessions += 1
                    continue
                content = key + b" " + await _content(redis, key)
                if any(value in content for value in wanted):
                    keys.append(name)
    except (RedisError, OSError, ValueError) as error:
        host, port = address(store.url)
        raise StoreFailed(f"{host}:{port} cannot be read ({error})") from error
    return Held(looked, sessions, tuple(keys))


async def _content(redis: Any, key: bytes) -> bytes:
    kind = (await redis.type(key)).decode()
    if kind not in READ:  # it has just expired, or it is no type of Redis's own
        return b""
    command, *rest = READ[kind]
    return str(await redis.execute_command(command, key, *rest)).encode()
