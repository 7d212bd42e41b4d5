"""A bare `at` is the column; everything else stays as it was written."""

from __future__ import annotations

import duckdb
import pytest

from dashboard.collector.keywords import quoted


@pytest.mark.parametrize(
    ("written", "parsed"),
    [
        ("select at from requests", 'select "at" from requests'),
        ("select max(At)", 'select max("At")'),
        ("select r.at, 'at ü at', \"at\" -- at\n, at", 'select r."at", \'at ü at\', "at" -- at\n, "at"'),
        ("select at at time zone 'UTC'", "select \"at\" at time zone 'UTC'"),
        ("select what, atlas, at_, a.t from $$ at $$", "select what, atlas, at_, a.t from $$ at $$"),
        ("select at time from r", 'select "at" time from r'),
        ("", ""),
    ],
)
def test_only_the_column_is_quoted(written: str, parsed: str) -> None:
    assert quoted(written) == parsed


def test_duckdb_still_needs_it() -> None:
    """The day this fails, `keywords.py` can go."""
    with pytest.raises(duckdb.ParserException, match="syntax error"), duckdb.connect() as database:
        database.execute("SELECT max(at) FROM (SELECT 1 AS at)")
