"""One SELECT for anybody: checked, read-only, bounded in time. Read `results.py` next: bounded in size, and encoded.

DuckDB's parser says what a statement is, a read-only transaction refuses what hides in it, and the settings of
`store.py` keep it from files, network and extensions.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import duckdb

from .answers import ProblemError
from .results import Cursor, Parameters, Statement
from .settings import Settings
from .store import Store

AGAIN_S = 0.1
"""An interrupt that comes between two steps of DuckDB is lost, so it is repeated."""

MOST_WAITING = 64
"""Queries that run or wait for their turn; one more is refused."""

T = TypeVar("T")
Fetch = Callable[[Cursor, Statement, Parameters], T]
"""Runs a statement that was checked, and encodes what it gives (`results.py`)."""


class Queries:
    """Runs queries in threads of its own."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._pool = ThreadPoolExecutor(settings.queries, "query")
        self._waiting = 0

    async def run(self, sql: str, fetch: Fetch[T], parameters: Parameters = None) -> T:
        """What `fetch` makes of the result. Raises ProblemError with DuckDB's own words when there is none."""
        if self._waiting >= MOST_WAITING:
            raise ProblemError(503, "too many queries at once; try again", headers={"retry-after": "1"})
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._run, sql, fetch, parameters)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Wait for the queries that run; each is bounded in time."""
        self._pool.shutdown(cancel_futures=True)

    def _run(self, sql: str, fetch: Fetch[T], parameters: Parameters) -> T:
        with self._store.cursor() as cursor:
            done = threading.Event()
            watch = threading.Thread(target=self._interrupt, args=(cursor, done), daemon=True)
            watch.start()
            try:
                statement = _select(cursor, sql)
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                return fetch(cursor, statement, parameters)
            except duckdb.InterruptException as error:
                bound = f"{self._settings.query_s:g} s"
                raise ProblemError(408, f"the query took longer than {bound} and was interrupted") from error
            except duckdb.OutOfMemoryException as error:
                why = str(error).split("\n\n")[0]  # what follows is advice for who may change settings
                raise ProblemError(400, f"{why}; select less at once") from error
            except duckdb.Error as error:
                raise ProblemError(400, str(error)) from error
            finally:
                done.set()
                watch.join()

    def _interrupt(self, cursor: Cursor, done: threading.Event) -> None:
        is_done = done.wait(self._settings.query_s)
        while not is_done:
            cursor.interrupt()
            is_done = done.wait(AGAIN_S)


def _select(cursor: Cursor, sql: str) -> duckdb.Statement:
    statements = cursor.extract_statements(sql)
    if len(statements) != 1:
        raise ProblemError(400, f"expected one SELECT, got {len(statements)} statements")
    (statement,) = statements
    if statement.type != duckdb.StatementType.SELECT:
        raise ProblemError(400, f"expected a SELECT, got {statement.type.name}; this is for reading only")
    return statement
