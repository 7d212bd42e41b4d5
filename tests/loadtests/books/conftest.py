"""One collector and one simulator, as processes, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.collector import Collector
from tests.loadtests.simulator.lab import SimulatorProcess


@pytest.fixture(scope="package")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    process = Collector.start(tmp_path_factory.mktemp("collector"))
    yield process
    process.end()


@pytest.fixture(scope="package")
def simulator() -> Iterator[dict[str, int]]:
    """Its ports."""
    process = SimulatorProcess()
    yield process.ready()
    process.end()
