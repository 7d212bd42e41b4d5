"""Forgetting: rows beyond their age, and the oldest ones of all tables when the file is too large. Read `app.py` next.

DuckDB gives blocks back by whole row groups of 122,880 rows, at a checkpoint; the file does not shrink, its blocks are
used again. So the size is kept to within about one row group of each table.
"""

from __future__ import annotations

import duckdb

from .settings import Settings
from .tables import TIMES

ROOM = 0.9
"""Share of the size that is left after a clean-up, so that it is not needed again at once."""

_OLDEST = f"""
SELECT quantile_disc(moment, ?) FROM ({
    " UNION ALL ".join(f'SELECT "{column}" AS moment FROM stored.{table}' for table, column in TIMES.items())
})"""  # noqa: S608 - names from our own table


def used_bytes(database: duckdb.DuckDBPyConnection) -> int:
    """Bytes in blocks that hold something."""
    ((used,),) = database.execute("SELECT used_blocks * block_size FROM pragma_database_size()").fetchall()
    return int(used)


def tidy(database: duckdb.DuckDBPyConnection, settings: Settings, now_s: float) -> None:
    """Forget what is too old, then what is too much."""
    _forget_before(database, f"make_timestamp({int((now_s - settings.retention_s) * 1e6)})")
    used = used_bytes(database)
    if used > settings.retention_bytes:
        share = 1 - ROOM * settings.retention_bytes / used
        ((moment,),) = database.execute(_OLDEST, [share]).fetchall()
        if moment is not None:
            _forget_before(database, f"TIMESTAMP '{moment}' + INTERVAL 1 MICROSECOND")
        database.execute("CHECKPOINT")


def _forget_before(database: duckdb.DuckDBPyConnection, moment: str) -> None:
    database.execute("BEGIN")
    for table, column in TIMES.items():
        database.execute(f'DELETE FROM stored.{table} WHERE "{column}" < {moment}')  # noqa: S608 - our own names
    database.execute("COMMIT")
