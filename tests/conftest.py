"""The stack that most process tests share, and one on demand for those that break it."""

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from . import turns
from .collector import Collector
from .stack import Stack


def pytest_configure(config: pytest.Config) -> None:
    """With `-n` this is called in each process.

    Where a shell started us in the background, Ctrl-C is ignored, by whatever we start as well: tests that send it to a
    process would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if (session := getattr(config, "workerinput", {}).get("testrunuid")) is not None:
        config.pluginmanager.register(turns.Plugin(session))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what needs the machine for itself, then what takes longest: at the end one process would wait for it."""
    items.sort(key=lambda item: (not turns.is_alone(item), item.path.name not in turns.LONG))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> turns.Scheduling:
    """Files stay in their order."""
    config.option.loadscopereorder = False
    return turns.Scheduling(config, log)


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
