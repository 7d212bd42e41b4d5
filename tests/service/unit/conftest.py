"""A virtual clock, and one real Valkey for all unit tests that need the scripts to run."""

from collections.abc import AsyncIterator, Iterator

import pytest

from service.clock import SystemClock
from service.store.connection import Multiplexed
from service.store.guard import Store
from tests.valkey import Valkey

from .fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.end()


@pytest.fixture
async def store(valkey: Valkey) -> AsyncIterator[Store]:
    """An empty store on the real Valkey, in real time; patient, because the machine may be busy."""
    clock = SystemClock()
    store = Store(Multiplexed(valkey.url, timeout_s=5.0, clock=clock), failures=2, skip_s=0.5, clock=clock)
    await store.execute("FLUSHALL")
    yield store
    await store.aclose()
