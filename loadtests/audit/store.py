"""The store of a service: paused for a moment, and searched for what must not be in it. Read `scene.py` next.

What is paused goes on even when nobody is left who knows of it (`loadtests/conduct/waking.py`).
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from loadtests.audit.shape import Store, address
from loadtests.conduct.victim import WAKER, Pause

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
        waker = _waker(store.resume)
        try:
            await _run(store.pause)
        except BaseException:
            with suppress(StoreFailed):  # the pause's own words are those that help
                await _resumed(store.resume, waker)
            raise
        try:
            yield
        finally:
            await _resumed(store.resume, waker)
        return
    try:  # not in a thread: nobody could be stopped between the pause and the promise to end it
        pause = Pause.of(store.pid, time.time(), LONGEST_PAUSE_S, "the store")
    except PermissionError as error:
        raise StoreFailed(f"the process {store.pid} cannot be paused ({error.strerror})") from error
    try:
        yield
    finally:
        pause.end()


def _waker(resume: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Runs the command when its time has come, when told to, or when we are gone."""
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-I", "-S", str(WAKER), "0", str(LONGEST_PAUSE_S), str(os.getpid()), *resume]
    # A session of its own: Ctrl-C in the terminal is for us, who end it in order.
    return subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)  # noqa: S603


async def _resumed(resume: tuple[str, ...], waker: subprocess.Popen[bytes]) -> None:
    """Raises StoreFailed when the command fails, and once more when the waker runs it."""
    try:
        await _run(resume)
    except StoreFailed as error:
        waker.terminate()
        if await asyncio.to_thread(waker.wait):
            words = f"{error}, so it may still be paused: let it go on by hand ([store] resume)"
            raise StoreFailed(words) from error
    except BaseException:
        waker.terminate()
        waker.wait()
        raise
    else:
        waker.kill()
        waker.wait()


async def _run(command: tuple[str, ...]) -> None:
    """Raises StoreFailed, without the command's arguments: a secret may be among them."""
    quiet = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=quiet, stdout=quiet, stderr=quiet)
    except OSError as error:
        raise StoreFailed(f"{command[0]} cannot be run ({error.strerror})") from error
    try:
        async with asyncio.timeout(COMMAND_WITHIN_S):
            status = await process.wait()
    except TimeoutError:
        raise StoreFailed(f"{command[0]} did not end within {COMMAND_WITHIN_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status:
        raise StoreFailed(f"{command[0]} ended with {status}")


@dataclass(frozen=True, slots=True)
class Held:
    """What a search of the store came to: `looked` keys, and those (sessions excepted) in which a value was.

    `unread`: keys of types that cannot be looked into. `marked`: whether the marker was in any key, also a session's.
    """

    looked: int
    sessions: int
    unread: int
    marked: bool
    keys: tuple[str, ...]


async def holding(store: Store, values: tuple[str, ...], marker: str) -> Held:
    """Look for the values in the names and contents of all keys, in all databases. Raises StoreFailed."""
    looked = sessions = unread = 0
    marked, keys = False, list[str]()
    wanted = [value.encode() for value in values]
    redis: Any
    try:
        # One connection, for the database that is selected is its own.
        async with Redis.from_url(
            store.url, single_connection_client=True, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        ) as redis:
            for database in await redis.info("keyspace"):
                await redis.execute_command("SELECT", database.removeprefix("db"))
                async for key in redis.scan_iter(count=1000):
                    content = await _content(redis, key)
                    looked += 1
                    name = key.decode(errors="replace")
                    text = key + b" " + (content or b"")
                    marked = marked or marker.encode() in text
                    if any(fnmatchcase(name, pattern) for pattern in store.sessions):
                        sessions += 1
                        continue
                    unread += content is None
                    if any(value in text for value in wanted):
                        keys.append(name)
    except (RedisError, OSError, ValueError) as error:
        host, port = address(store.url)
        raise StoreFailed(f"{host}:{port} cannot be read ({error})") from error
    return Held(looked, sessions, unread, marked, tuple(keys))


async def _content(redis: Any, key: bytes) -> bytes | None:
    """None for what is no type of Redis's own."""
    kind = (await redis.type(key)).decode()
    if kind == "none":  # it has just expired
        return b""
    if kind not in READ:
        return None
    command, *rest = READ[kind]
    return str(await redis.execute_command(command, key, *rest)).encode()
