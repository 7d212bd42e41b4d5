"""From the receiver to the disk: a bounded buffer, and one thread that commits it. Read `store.py` next.

The event loop only appends. The thread takes what has gathered every half second (or as soon as there is much) and
commits it; meanwhile the next batch gathers. When the disk or DuckDB is slow, the buffer fills, and the receiver
refuses.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from typing import Any

import duckdb

from .settings import MIB, Settings
from .store import LockedError, Rows, Store

log = logging.getLogger("dashboard.collector")

MUCH_BYTES = 6 * MIB
"""So much is committed at once, without waiting for the time to pass."""

RETRY_S = 1.0
"""Wait after a commit that the disk or the memory did not allow."""

PASSING = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException, MemoryError)
"""A disk that is full or away, memory that others have: the same commit may work a second later."""

FATAL = (duckdb.FatalException, duckdb.InternalException)
"""DuckDB refuses everything from now on, until the database is opened again."""

REOPENINGS = 3
"""For one batch; then it is the batch."""

Batch = dict[str, list[tuple[Any, ...]]]


class Writer:
    """`put` from the event loop, `close` at the end. The counters are for `GET /status`."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._gathering: Batch = defaultdict(list)
        self._gathering_bytes = 0
        self._writing_bytes = 0
        self.lost: Counter[str] = Counter()
        self.failure: str | None = None
        self._thread = threading.Thread(target=self._run, name="writer")
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether more waits to be committed than may."""
        return self._gathering_bytes + self._writing_bytes >= self._settings.buffer_bytes

    def put(self, table: str, rows: Rows, size: int) -> None:
        """Accept rows that came in `size` bytes."""
        with self._lock:
            self._gathering[table].extend(rows)
            self._gathering_bytes += size
        if self._gathering_bytes >= MUCH_BYTES:
            self._wake.set()

    def close(self) -> None:
        """Commit what is there and end the thread; returns when it has ended."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        tidy_at_s = time.monotonic() + self._settings.tidy_s
        while not self._closing:
            self._wake.wait(self._settings.flush_s)
            self._wake.clear()
            self._flush()
            if time.monotonic() >= tidy_at_s:
                self._tidy()
                tidy_at_s = time.monotonic() + self._settings.tidy_s
        self._flush()

    def _tidy(self) -> None:
        try:
            self._store.tidy(time.time())
        except duckdb.Error as error:
            self._note("cannot forget what is too old or too much", error)

    def _flush(self) -> None:
        with self._lock:
            batch, self._gathering = self._gathering, defaultdict(list)
            self._writing_bytes, self._gathering_bytes = self._gathering_bytes, 0
        if batch:
            self._commit(batch)
        self._writing_bytes = 0

    def _commit(self, batch: Batch) -> None:
        """Commit; what the disk or the memory refuses is tried again, and a row that cannot be stored is left out."""
        reopened = 0
        while True:
            try:
                self._store.write(batch)
            except PASSING as error:
                self._note("cannot commit", error)
                if self._closing:
                    self._lose(batch)
                    return
            except FATAL as error:
                self._note("cannot commit", error)
                reopened += 1
                if reopened > REOPENINGS:
                    self._halve(batch, error)
                    return
                self._reopen()
            except Exception as error:  # noqa: BLE001 - whatever a row makes a library raise, the others are written
                self._halve(batch, error)
                return
            else:
                self.failure = None
                return
            time.sleep(RETRY_S)

    def _reopen(self) -> None:
        try:
            self._store.reopen()
        except (duckdb.Error, LockedError) as error:
            self._note("cannot open the database again", error)

    def _halve(self, batch: Batch, error: Exception) -> None:
        """Commit each half by itself, down to the row that is to blame."""
        items = [(table, row) for table, rows in batch.items() for row in rows]
        if len(items) == 1:
            self._keep_as_told(batch, error)
            return
        for half in (items[: len(items) // 2], items[len(items) // 2 :]):
            rows_by_table: Batch = defaultdict(list)
            for table, row in half:
                rows_by_table[table].append(row)
            self._commit(rows_by_table)

    def _keep_as_told(self, batch: Batch, error: Exception) -> None:
        self._note("a row cannot be taken apart", error)
        try:
            self._store.write(batch, as_told=True)
        except Exception as worse:  # noqa: BLE001 - as above
            self._note("a row cannot be stored", worse)
            self._lose(batch)

    def _note(self, what: str, error: Exception) -> None:
        self.failure = f"{what}: {error}"
        log.error("%s: %s", what, error)

    def _lose(self, batch: Batch) -> None:
        for table, rows in batch.items():
            self.lost[table] += len(rows)
