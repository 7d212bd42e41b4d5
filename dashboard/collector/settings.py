"""What the collector may use: time, memory, disk. The command line (`__main__.py`) sets some. Read `store.py` next."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """Bounds of one collector; every one has a default that a laptop can afford."""

    retention_s: float = 24 * 3600.0
    """Rows are forgotten this long after the time that they tell."""
    retention_bytes: int = 1024 * MIB
    """Used blocks of the database; beyond it the oldest rows are forgotten."""
    tidy_s: float = 10.0
    """How often it is looked whether something is to be forgotten."""
    memory_bytes: int = 512 * MIB
    """What DuckDB may take before it spills to the disk."""
    spill_bytes: int = 1024 * MIB
    """What it may spill."""
    threads: int = 2
    """Threads of DuckDB, those of queries and of writing together."""
    flush_s: float = 0.5
    """What was accepted is committed within this time (and within a second while the machine is busy)."""
    buffer_bytes: int = 48 * MIB
    """OTLP bytes, inflated, that wait to be committed; beyond it 503."""
    body_bytes: int = 16 * MIB
    """Largest body as sent."""
    inflated_bytes: int = 64 * MIB
    """Largest body once inflated."""
    query_s: float = 5.0
    """A query is interrupted after this time."""
    queries: int = 4
    """Queries that run at once; others wait for their turn."""
    result_bytes: int = 32 * MIB
    """Largest result of a query; it is cut there and says so."""
