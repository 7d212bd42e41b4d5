"""The writer: nothing is lost on the way to the disk, one bad row does not take others with it, memory is bounded."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import duckdb
import pytest

from dashboard.collector import writer as module
from dashboard.collector.settings import Settings
from dashboard.collector.store import Rows, Store
from dashboard.collector.writer import Writer
from tests.dashboard.collector.conftest import Written
from tests.waiting import wait_for

SETTINGS = Settings(flush_s=0.01, buffer_bytes=1000)
POISON = ("poison",)


class Disk:
    """A store that writes down what it gets, and raises what it was given."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.rows: list[Any] = []
        self.told: list[Any] = []
        self.reopened = 0
        self.tidied = 0
        self.may_write = threading.Event()
        self.may_write.set()

    def write(self, batch: Mapping[str, Rows], *, as_told: bool = False) -> None:
        self.may_write.wait(10)
        if self.errors:
            raise self.errors.pop(0)
        rows = [row for rows in batch.values() for row in rows]
        if POISON in rows and not as_told:
            raise duckdb.ConversionException("poison")
        (self.told if as_told else self.rows).extend(rows)

    def reopen(self) -> None:
        self.reopened += 1

    def tidy(self, now_s: float) -> None:
        self.tidied += 1


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)


def run(disk: Any, *rows: Any, settings: Settings = SETTINGS) -> Writer:
    writer = Writer(disk, settings)
    for number, row in enumerate(rows):
        writer.put("spans" if number % 2 else "log_records", [row], 1)
    wait_for(lambda: writer._gathering_bytes + writer._writing_bytes == 0, "the rows to be written", within_s=10)
    return writer


def test_what_was_put_is_written_soon_and_the_rest_at_the_end() -> None:
    disk = Disk()
    writer = run(disk, ("a",), ("b",))
    assert sorted(disk.rows) == [("a",), ("b",)]
    writer.put("spans", [("c",)], 1)
    writer.close()
    assert sorted(disk.rows) == [("a",), ("b",), ("c",)]


def test_a_full_disk_is_tried_again_until_it_is_not() -> None:
    disk = Disk(duckdb.IOException("no space left"), duckdb.TransactionException("could not write file"))
    writer = run(disk, ("a",))
    writer.close()
    assert (disk.rows, writer.lost, writer.failure) == ([("a",)], {}, None)


def test_a_fatal_error_opens_the_database_again() -> None:
    disk = Disk(duckdb.FatalException("invalidated"))
    run(disk, ("a",)).close()
    assert (disk.rows, disk.reopened) == ([("a",)], 1)


def test_what_is_fatal_each_time_is_not_tried_for_ever() -> None:
    disk = Disk(*[duckdb.InternalException("invalidated")] * (module.REOPENINGS + 1))
    run(disk, ("a",)).close()
    assert (disk.rows + disk.told, disk.reopened) == ([("a",)], module.REOPENINGS)


def test_a_row_that_cannot_be_taken_apart_is_kept_as_it_is_and_the_others_are_taken() -> None:
    disk = Disk()
    rows = [(str(number),) for number in range(10)]
    writer = run(disk, *rows[:7], POISON, *rows[7:])
    writer.close()
    assert sorted(disk.rows) == rows
    assert disk.told == [POISON]
    assert not writer.lost


def test_what_cannot_be_stored_at_all_is_counted() -> None:
    disk = Disk(duckdb.ConversionException("no"), duckdb.ConversionException("never"))
    writer = run(disk, ("a",))
    writer.close()
    assert (disk.rows, dict(writer.lost)) == ([], {"log_records": 1})
    assert writer.failure
    assert "never" in writer.failure


def test_it_is_full_while_the_disk_hangs_and_not_after() -> None:
    disk = Disk()
    disk.may_write.clear()
    writer = Writer(disk, SETTINGS)  # type: ignore[arg-type]
    writer.put("spans", [("a",)], 600)
    wait_for(lambda: writer._writing_bytes == 600, "the first to be under way", within_s=10)
    assert not writer.is_full
    writer.put("spans", [("b",)], 600)
    assert writer.is_full
    disk.may_write.set()
    wait_for(lambda: not writer.is_full, "room again", within_s=10)
    writer.close()
    assert disk.rows == [("a",), ("b",)]


def test_it_looks_for_what_is_to_be_forgotten() -> None:
    disk = Disk()
    writer = run(disk, settings=Settings(flush_s=0.01, tidy_s=0.01))
    wait_for(lambda: disk.tidied > 1, "two looks", within_s=10)
    writer.close()


def test_a_row_that_duckdb_cannot_take_does_not_keep_others_out(written: Written) -> None:
    """A real one: a value that no column of its kind can hold."""
    row: list[Any] = [None] * 20
    row[:2], row[5], row[12:15] = ["t", "s"], 1, ["{}", "[]", "[]"]
    bad = [*row[:5], 2, *row[6:12], "no JSON", *row[13:]]
    store: Store = written.store
    writer = Writer(store, SETTINGS)
    writer.put("spans", [tuple(row), ("other", *bad[1:])], 1)
    writer.close()
    assert written.sql("SELECT trace_id FROM spans") == [{"trace_id": "t"}]
    assert dict(writer.lost) == {"spans": 1}
