"""Fixtures of the door's tests: one shared workbench for those who only look, a factory for those who break things."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.collector import Collector
from tests.door.cli import Up, eventually, gauntlet


@pytest.fixture(scope="package")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A running workbench that is not to be broken."""
    up = Up(tmp_path_factory.mktemp("workbench") / "home")
    try:
        yield up.ready()
    finally:
        up.end()
    eventually(up.all_gone, "every process of the workbench gone")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Starts workbenches that the test may break; whatever the test left running is ended."""
    started: list[Up] = []

    def begin(*flags: str, **more: str) -> Up:
        started.append(Up(tmp_path / "home with spaces", *flags, **{"GAUNTLET_WORKERS": "1", **more}))
        return started[-1]

    yield begin
    for up in started:
        up.end()
        gauntlet("down", env=up.env)


@pytest.fixture(scope="package")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector in which tests tell what they want to find."""
    process = Collector.start(tmp_path_factory.mktemp("collector"))
    yield process
    process.end()
