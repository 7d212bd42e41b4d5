"""The DuckDB file: opened (or moved aside when it cannot be), guarded, written in batches. Read `writer.py` next.

One process owns the file and serves everybody else over HTTP, because DuckDB lets one process write. Readers have
cursors of their own and see the last commit; they never wait for the writer, nor it for them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb

from . import retention, tables
from .settings import MIB, Settings

log = logging.getLogger("dashboard.collector")

FORM = 2
"""The form of the tables, which `schema.sql` writes down; a file of another form is moved aside."""

FILE = "telemetry.duckdb"
ASIDE = "telemetry.unreadable.duckdb"
SPILL = "spill"

CHECKPOINT_BYTES = 64 * MIB
"""Size of the write-ahead log at which it goes into the file: larger means fewer rewrites, smaller a quicker start."""

Rows = Sequence[tuple[Any, ...]]


class LockedError(Exception):
    """Another process has the file, or it may not be read; the message says who or why."""


class ForeignError(Exception):
    """The file is a DuckDB's, and its tables are of another program or version."""


class Store:
    """The database in `folder`. `cursor` for readers in any thread; everything else for one thread, the writer's."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Open or make it. Raises LockedError when another process has it or the folder cannot be used."""
        self._folder = folder
        self._settings = settings
        self._open_or_move_aside()

    def _open_or_move_aside(self) -> None:
        path = self._folder / FILE
        try:
            (self._folder / SPILL).mkdir(parents=True, exist_ok=True)
            path.open("ab").close()
            if not path.stat().st_size:
                path.unlink()
        except OSError as error:
            raise LockedError(f"cannot write to {path}: {error.strerror}") from error
        try:
            self._database = self._connect()
        except (duckdb.Error, ForeignError) as error:
            if "Could not set lock" in str(error):
                raise LockedError(str(error).splitlines()[0]) from error
            log.error("%s cannot be read and is now %s: %s", FILE, ASIDE, error)  # noqa: TRY400 - it says all
            self._move_aside()
            self._database = self._connect()
        self._prepare()

    def _move_aside(self) -> None:
        for ending in ("", ".wal"):
            path = self._folder / f"{FILE}{ending}"
            aside = self._folder / f"{ASIDE}{ending}"
            aside.unlink(missing_ok=True)
            if path.exists():
                path.replace(aside)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """Open the file. Raises duckdb.Error when it is none of DuckDB's, ForeignError when it is not ours."""
        settings = self._settings
        database = duckdb.connect(
            str(self._folder / FILE),
            config={
                "threads": settings.threads,
                "memory_limit": f"{settings.memory_bytes // MIB}MiB",
                "temp_directory": str(self._folder / SPILL),
                "max_temp_directory_size": f"{settings.spill_bytes // MIB}MiB",
                "checkpoint_threshold": f"{CHECKPOINT_BYTES // MIB}MiB",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "allow_community_extensions": "false",
            },
        )
        try:
            _check_form(database)
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self) -> None:
        """Guard the database, and make what is not there yet."""
        for setting in (
            "TimeZone = 'UTC'",
            "python_enable_replacements = false",  # a query sees tables, not our variables
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            self._database.execute(f"SET GLOBAL {setting}")
        self._database.execute("BEGIN")
        for name in ("schema", "views", "comments"):
            self._database.execute(_sql(name))
        self._database.execute("COMMIT")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for a reader; to be closed by it."""
        return self._database.cursor()

    def reopen(self) -> None:
        """After an error that DuckDB calls fatal: let go and open again. Raises LockedError and duckdb.Error."""
        try:
            self._database.close()
        except duckdb.Error as error:
            log.warning("while closing: %s", error)
        self._open_or_move_aside()

    def tidy(self, now_s: float) -> None:
        """Forget what is too old or too much. Raises duckdb.Error."""
        try:
            retention.tidy(self._database, self._settings, now_s)
        except BaseException:
            _roll_back(self._database)
            raise

    def write(self, batch: Mapping[str, Rows], *, as_told: bool = False) -> None:
        """Commit rows by table, all or none; when it returns they are on the disk. Raises duckdb.Error.

        `as_told` leaves the log records as they are: what cannot be taken apart is still kept.
        """
        database = self._database
        database.execute("BEGIN")
        try:
            for name, rows in batch.items():
                if rows:
                    _WRITE[name](database, rows)
            if not as_told:
                _write_requests(database, batch.get("log_records", ()))
            database.execute("COMMIT")
        except BaseException:
            _roll_back(database)
            raise

    def close(self) -> None:
        """Write everything into the file and let go of it."""
        self._database.close()


def _check_form(database: duckdb.DuckDBPyConnection) -> None:
    tables = {name for (name,) in database.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if tables and "form" not in tables:
        raise ForeignError(f"it has the tables {', '.join(sorted(tables))}, which are not ours")
    if tables:
        found = database.execute("SELECT form FROM stored.form").fetchall()
        if found != [(FORM,)]:
            raise ForeignError(f"its tables have the form {found}; this version makes {FORM}")


def _roll_back(database: duckdb.DuckDBPyConnection) -> None:
    try:
        database.execute("ROLLBACK")
    except duckdb.Error as error:  # it was rolled back, or the database is gone: the first error says why
        log.debug("rollback: %s", error)


@cache
def _sql(name: str) -> str:
    return files(__package__).joinpath(f"{name}.sql").read_text()


_INSERT = "INSERT INTO stored.{} SELECT * FROM incoming"
_INSERT_SPANS = """
INSERT INTO stored.spans SELECT * FROM incoming WHERE NOT EXISTS (
  SELECT 1 FROM stored.spans AS known
  WHERE known.start_time >= make_timestamp(?)
    AND known.trace_id = incoming.trace_id AND known.span_id = incoming.span_id
)"""
"""A sender that heard no answer sends again. Nothing that starts before the batch can be in it."""

_START_AT = tables.SPANS.get_field_index("start_time")


def _write_spans(database: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    once = {row[:2]: row for row in rows}.values()
    database.register("incoming", tables.arrow("spans", once))
    database.execute(_INSERT_SPANS, [min(row[_START_AT] for row in once)])
    database.unregister("incoming")


def _write_metric_points(database: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    database.register("incoming", tables.arrow("metric_points", rows))
    database.execute(_INSERT.format("metric_points"))
    database.unregister("incoming")


def _write_log_records(database: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    database.register("incoming", tables.arrow("log_records", rows))
    database.execute(_INSERT.format("log_records"))
    database.unregister("incoming")


REQUEST_EVENT = "gauntlet.request"
_EVENT = tables.LOG_RECORDS.get_field_index("event")


def _write_requests(database: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    records = [row for row in rows if row[_EVENT] == REQUEST_EVENT]
    if records:
        database.register("incoming", tables.arrow("log_records", records))
        database.execute(_sql("arrived"))
        ((since,),) = database.execute("SELECT min(t) FROM arrived").fetchall()
        database.execute(_sql("known"), {"since": since})
        database.execute(_sql("records"))
        database.unregister("incoming")


_WRITE = {"spans": _write_spans, "metric_points": _write_metric_points, "log_records": _write_log_records}
