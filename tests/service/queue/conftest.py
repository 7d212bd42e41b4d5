"""A Valkey, a queue on it, and worker processes that leave marks."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from service.clock import SystemClock
from service.store.connection import Multiplexed
from service.store.guard import Store
from service.tracks.queue import Queue

from ...process import Process
from ...valkey import Valkey
from .bench import REDELIVER_S, Start


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    yield server
    server.end()


@pytest.fixture
def start(tmp_path: Path, valkey: Valkey) -> Iterator[Start]:
    """Start a worker process; ended with the test."""
    started: list[Process] = []

    def begin() -> Process:
        command = [sys.executable, "-m", "tests.service.marking_worker", valkey.url, str(REDELIVER_S)]
        started.append(Process(f"worker{len(started)}", command, {}, tmp_path))
        started[-1].ready()
        return started[-1]

    yield begin
    for process in started:
        process.end()


@pytest.fixture
async def queue(valkey: Valkey) -> AsyncIterator[Queue]:
    clock = SystemClock()
    store = Store(Multiplexed(valkey.url, timeout_s=0.2, clock=clock), failures=2, skip_s=0.5, clock=clock)
    yield Queue(store)
    await store.aclose()


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    client = Redis.from_url(valkey.url, decode_responses=True)
    yield client
    await client.aclose()
