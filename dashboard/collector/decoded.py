"""What a decoder makes of one export: rows of one table, and what could not be taken. Read `spans.py` next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Decoded:
    """Rows in the order of the table's columns (`tables.py`); `why` says what was wrong with the first bad item."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    rejected: int = 0
    why: str = ""

    def reject(self, why: str) -> None:
        """Count an item that cannot be taken; the others are."""
        self.rejected += 1
        self.why = self.why or why
