"""The cache stage on the real store."""

import pytest

from service.clock import SystemClock
from service.store.guard import Store

from .caching import Worker


@pytest.fixture
def worker(store: Store) -> Worker:
    return Worker(store, SystemClock())
