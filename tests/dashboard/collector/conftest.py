"""A store to write into, a collector to ask, and a factory for those that are to be broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.collector import logs, metrics, spans
from dashboard.collector.results import as_records
from dashboard.collector.settings import Settings
from dashboard.collector.store import Store
from tests.collector import Collector
from tests.dashboard.collector.making import as_read

_TABLES = {
    "ExportTraceServiceRequest": ("spans", spans.decode),
    "ExportLogsServiceRequest": ("log_records", logs.decode),
    "ExportMetricsServiceRequest": ("metric_points", metrics.decode),
}


class Written:
    """A store in a folder; `take` writes exports, `sql` reads what came of them."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.store = Store(folder, settings)

    def take(self, *messages: Any) -> None:
        """Write the exports in one batch."""
        batch: dict[str, list[tuple[Any, ...]]] = {}
        for message in messages:
            table, decode = _TABLES[type(message).__name__]
            batch.setdefault(table, []).extend(decode(as_read(message)).rows)
        self.store.write(batch)

    def sql(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query, without the guard of `query.py`."""
        with self.store.cursor() as cursor:
            return as_records(cursor, query)


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    """An empty store."""
    written = Written(tmp_path, Settings(threads=1))
    yield written
    written.store.close()


@pytest.fixture(scope="package")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that all share: what a test sends has ids of its own."""
    collector = Collector.start(tmp_path_factory.mktemp("collector"))
    yield collector
    assert collector.end() == 0, collector.log


@pytest.fixture
def start_collector(tmp_path: Path) -> Iterator[Callable[..., Collector]]:
    """Starts collectors that the test may break, all with the same data."""
    started: list[Collector] = []

    def start(*flags: str, **how: Any) -> Collector:
        started.append(Collector.start(tmp_path / "data", *flags, **how))
        return started[-1]

    yield start
    for collector in started:
        collector.end()
