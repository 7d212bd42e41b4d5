"""The stack that most process tests share, and one on demand for those that break it."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .collector import Collector
from .stack import Stack


@pytest.fixture(scope="session")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """Where every stack of the tests tells what happens."""
    collector = Collector.start(tmp_path_factory.mktemp("collector"))
    yield collector
    collector.end()


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    stack = Stack.start(tmp_path_factory.mktemp("stack"), collector=collector)
    yield stack
    stack.end()


@pytest.fixture
async def stack(_shared: Stack) -> AsyncIterator[Stack]:
    """Two workers, both providers, quick answers, no faults, an empty ledger, closed breakers."""
    async with _shared as stack:
        await stack.reset()
        yield stack


@pytest.fixture
def start_stack(tmp_path: Path, collector: Collector) -> Iterator[Callable[..., Stack]]:
    """Start a stack of one's own with other settings; ended with the test."""
    stacks: list[Stack] = []

    def start(**given: Any) -> Stack:
        stacks.append(Stack.start(tmp_path / f"stack{len(stacks)}", **{"collector": collector, **given}))
        return stacks[-1]

    yield start
    for stack in stacks:
        stack.end()
