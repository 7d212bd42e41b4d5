"""The store goes on whatever happens to whoever paused it, and is searched in all its databases."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from loadtests.audit import store as module
from loadtests.audit.shape import Store
from loadtests.audit.store import StoreFailed, holding, paused
from tests.valkey import Valkey

KILLED = """
import asyncio, os, signal, sys
from loadtests.audit.shape import Store
from loadtests.audit.store import paused

async def main():
    async with paused(Store(pause=("touch", sys.argv[1]), resume=("rm", sys.argv[1]))):
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    started = Valkey(tmp_path)
    yield started
    started.end()


async def test_commands_pause_it_and_let_it_go_on(tmp_path: Path) -> None:
    mark = tmp_path / "paused"
    async with paused(Store(pause=("touch", str(mark)), resume=("rm", str(mark)))):
        assert mark.exists()
    assert not mark.exists()


def test_it_goes_on_when_whoever_paused_it_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "paused"
    assert subprocess.run([sys.executable, "-c", KILLED, str(mark)], check=False).returncode == -9
    until = time.monotonic() + 20  # before its time has come by itself
    while mark.exists():
        assert time.monotonic() < until, "it is paused still"
        time.sleep(0.05)


async def test_a_store_that_was_not_let_go_on_is_said_without_the_command(tmp_path: Path) -> None:
    fails = (sys.executable, "-c", "raise SystemExit(3)", "--password", "secret")
    with pytest.raises(StoreFailed, match=r"ended with 3, so it may still be paused") as raised:
        async with paused(Store(pause=("true",), resume=fails)):
            pass
    assert "secret" not in str(raised.value)


async def test_a_command_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND_WITHIN_S", 0.2)
    hangs = (sys.executable, "-c", "import time; time.sleep(3600)")
    with pytest.raises(StoreFailed, match=r"did not end within 0\.2 s"):
        async with paused(Store(pause=hangs, resume=("true",))):
            pass


def test_all_databases_and_types_are_looked_into(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    with Redis.from_url(valkey.url) as redis:
        redis.rpush("thread:1", "marker")
        redis.hset("counts", "hits", "1")
        redis.select(3)
        redis.zadd("answers", {"of canary@example.com": 1})
    described = Store(url=valkey.url)
    held = asyncio.run(holding(described, ("canary@example.com",), "marker"))
    assert (held.looked, held.sessions, held.unread, held.marked, held.keys) == (3, 1, 0, True, ("answers",))
    monkeypatch.delitem(module.READ, "hash")
    held = asyncio.run(holding(described, ("nobody",), "none"))
    assert (held.unread, held.marked, held.keys) == (1, False, ())
