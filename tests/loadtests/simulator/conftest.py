"""One simulator process for all tests of this folder; each test finds it healthy and with an empty ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from .lab import Lab, SimulatorProcess


@pytest.fixture(scope="package")
def ports() -> Iterator[dict[str, int]]:
    process = SimulatorProcess()
    yield process.ready()
    process.end()


@pytest.fixture
async def lab(ports: dict[str, int]) -> AsyncIterator[Lab]:
    async with Lab(ports) as opened:
        await opened.reset()
        yield opened
