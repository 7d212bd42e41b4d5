"""The column `at` in a learner's SQL: quoted before DuckDB parses it. Read `query.py` next, which asks for it.

DuckDB 2 reserves AT for its time travel (`FROM table AT (…)`), so `SELECT max(at)` is a syntax error unless the name is
quoted. Nothing here can travel in time, so a bare `at` can only be the column, except in `AT TIME ZONE`.
"""

from __future__ import annotations

import duckdb

COLUMN = b"at"
ZONE = [b"time", b"zone"]


def quoted(sql: str) -> str:
    """The same SQL with each bare `at` in double quotes; strings, comments and quoted names stay as they are."""
    told = sql.encode()
    starts = [start for start, kind in duckdb.tokenize(sql) if kind != duckdb.token_type.comment]
    words = [_word(told, start) for start in starts]
    parts, done = [], 0
    for place, start in enumerate(starts):
        if words[place] == COLUMN and words[place + 1 : place + 3] != ZONE:
            end = start + len(COLUMN)
            parts += [told[done:start], b'"', told[start:end], b'"']
            done = end
    return b"".join([*parts, told[done:]]).decode()


def _word(told: bytes, start: int) -> bytes:
    """The word that begins there, in lower case; as much of it as tells the three words apart."""
    end = start
    while end < len(told) and end < start + 5 and (told[end : end + 1].isalnum() or told[end : end + 1] == b"_"):
        end += 1
    return told[start:end].lower()
