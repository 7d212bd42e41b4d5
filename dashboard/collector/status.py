"""`GET /status`: what the collector holds, and what it took and refused since its start. Read `retention.py` next."""

from __future__ import annotations

from typing import Any

from .answers import Answer
from .otlp import Receiver
from .query import Queries
from .results import as_records, dumps
from .settings import Settings
from .tables import TIMES
from .writer import Writer

_SQL = "\nUNION ALL ".join(
    f"SELECT '{name}' AS name, count(*) AS rows, min({time}) AS oldest, max({time}) AS newest FROM stored.{name}"  # noqa: S608
    for name, time in TIMES.items()
)
_BYTES = "SELECT used_blocks * block_size AS used, total_blocks * block_size AS file FROM pragma_database_size()"


class Status:
    """Answers `GET /status`."""

    def __init__(self, receiver: Receiver, writer: Writer, queries: Queries, settings: Settings) -> None:
        self._receiver = receiver
        self._writer = writer
        self._queries = queries
        self._settings = settings

    async def answer(self) -> Answer:
        """The document."""
        rows = await self._queries.run(_SQL, as_records)
        (size,) = await self._queries.run(_BYTES, as_records)
        tables = {row.pop("name"): row for row in rows}
        document: dict[str, Any] = {
            "tables": tables,
            "bytes": {"used": size["used"], "file": size["file"]},
            "oldest": min((row["oldest"] for row in rows if row["oldest"]), default=None),
            "newest": max((row["newest"] for row in rows if row["newest"]), default=None),
            "accepted": self._receiver.accepted,
            "rejected": self._receiver.rejected,
            "refused": self._receiver.refused,
            "lost": self._writer.lost,
            "failure": self._writer.failure,
            "retention": {"age_s": self._settings.retention_s, "bytes": self._settings.retention_bytes},
        }
        return Answer(200, dumps(document))
