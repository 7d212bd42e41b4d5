"""A list of requests, a line each, for `gauntlet trace`: in 80 columns, with whole ids where there is room for them.

Read `waterfall.py` next: how one request is drawn.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

from dashboard.story.steps import usd
from door.console import command_name, roomy_console

Json = Mapping[str, Any]

STYLES = {"answered": "green", "degraded": "yellow", "refused": "yellow", "cancelled": "yellow"}
"""Outcome -> style; the others are red."""

WIDE = 110
"""From here on there is room for whole request ids."""

SHORT_ID = 8
NUMBERS = ("http", "ms", "calls", "cost")


def show(rows: Sequence[Json], calls: Mapping[str, int]) -> None:
    """Print them; `calls` is request id -> how many calls it made."""
    out = roomy_console()
    wide = out.width >= WIDE
    names = ("time", "request", "outcome", "http", "source", "ms", "calls", "cost", "degraded")
    cells = [_cells(row, calls.get(row["request_id"], 0), wide=wide) for row in rows]
    gap = 2 if wide else 1
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    widths = [max(len(name), *(len(row[place]) for row in cells)) for place, name in enumerate(names)]
    # Only the last column gives way where there is no room.
    widths[-1] = min(widths[-1], max(out.width - sum(widths[:-1]) - gap * len(names[:-1]), len(names[-1])))
    for name, width in zip(names, widths, strict=True):
        justify: Literal["left", "right"] = "right" if name in NUMBERS else "left"
        table.add_column(name, justify=justify, no_wrap=True, width=width)
    for row, texts in zip(rows, cells, strict=True):
        styles = {"outcome": STYLES.get(row["outcome"], "red"), "degraded": "yellow"}
        table.add_row(
            *(Text(text, styles.get(name, ""), overflow="ellipsis") for name, text in zip(names, texts, strict=True))
        )
    out.print(table)
    if out.is_terminal:
        out.print(Text(f"\n{command_name()} trace {str(rows[0]['request_id'])[:SHORT_ID]}", style="dim"))


def _cells(row: Json, calls: int, *, wide: bool) -> list[str]:
    cost = row["cost_nano_usd"]
    return [
        f"{local(row['time']):%H:%M:%S}",
        row["request_id"] if wide else str(row["request_id"])[:SHORT_ID],
        row["outcome"] or "",
        str(row["status"]),
        row["source"] or "",
        f"{row['duration_ms'] or 0:,.0f}",
        str(calls),
        "no price" if cost is None else usd(cost),
        ", ".join(row["degraded"] or ()),
    ]


def local(at: str) -> datetime:
    """A time of the collector, which is ISO 8601 in UTC, as the person's clock has it."""
    return datetime.fromisoformat(at).astimezone()
