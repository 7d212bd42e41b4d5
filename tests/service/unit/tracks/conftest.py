"""What the tests of several tracks' files are given."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.store.guard import Store

from .agent_world import World


@pytest.fixture
async def world(store: Store, tmp_path: Path) -> AsyncIterator[World]:
    made = World(store, tmp_path)
    yield made
    await made.checkpoints.aclose()
