"""`gauntlet sql`: one SELECT over what the service told (docs/telemetry.md); without one, what there is to select from.

Read `telemetry.py` next: the same for notebooks.
"""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from door import collector
from door.console import command_name, console, roomy_console
from door.flags import whole

SHOWN_ROWS = 100
"""In the terminal; `--json` and `--csv` give up to MOST_ROWS."""

MOST_ROWS = 1_000_000
ANY_WIDTH = 100_000

MANY, MOST_PLAIN = 1e6, 1e15
"""Floats between them, such as Unix seconds, are shown to the thousandth: six digits would not tell them apart."""

COLUMNS = """
select table_name, column_name, data_type, comment from duckdb_columns() where schema_name = 'main' and not internal
order by table_name, column_index
"""
EXAMPLE = "select outcome, count(*) as n from requests group by outcome"


def run(argv: Sequence[str]) -> int:
    """Exit code 0 when there is a result, 1 when the collector is away or refuses, 2 for wrong usage."""
    flags = argparse.ArgumentParser(
        prog="gauntlet sql",
        description="One SELECT over requests, attempts, spans and more; without one, what there is.",
    )
    flags.add_argument("query", nargs="?", help=f'such as "{EXAMPLE}"')
    form = flags.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a list of objects")
    form.add_argument("--csv", action="store_true", help="comma-separated values with a header")
    flags.add_argument(
        "--limit", type=whole(1, MOST_ROWS), metavar="N", help=f"rows at most (default {SHOWN_ROWS} in the terminal)"
    )
    flags.add_argument("--url", help="base URL of the collector (default: of the running `gauntlet up`)")
    args = flags.parse_args(argv)
    plain = args.json or args.csv
    if args.query is None and not plain:
        _catalogue(collector.sql(args.url, COLUMNS, MOST_ROWS)["rows"])
        return 0
    most = args.limit or (MOST_ROWS if plain else SHOWN_ROWS)
    answer = collector.sql(args.url, args.query or COLUMNS, most)
    names = [column["name"] for column in answer["columns"]]
    if args.json:
        rows = [dict(zip(names, row, strict=True)) for row in answer["rows"]]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif args.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(value) for value in row] for row in answer["rows"])
    else:
        _show(answer)
    if answer["truncated"]:
        more = "" if args.limit or plain else "; --limit N shows more, --csv all"
        print(f"the first {len(answer['rows']):,} rows{more}", file=sys.stderr)
    return 0


def _show(answer: Any) -> None:
    """A table where it fits, numbers to the right; else each row as lines of a column each."""
    names = [column["name"] for column in answer["columns"]]
    if not answer["rows"]:
        print("no rows")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for place, name in enumerate(names):
        numbers = all(isinstance(row[place], int | float | None) for row in answer["rows"])
        table.add_column(Text(name), justify="right" if numbers else "left", no_wrap=True)
    for row in answer["rows"]:
        table.add_row(*(Text(_cell(value)) for value in row))
    out = roomy_console()
    if Measurement.get(out, out.options.update(max_width=ANY_WIDTH), table).maximum <= out.width:
        out.print(table)
        return
    for number, row in enumerate(answer["rows"], 1):
        lines = Table.grid(padding=(0, 2, 0, 0))
        for name, value in zip(names, row, strict=True):
            lines.add_row(Text(name, style="dim"), Text(_cell(value), overflow="fold"))
        out.print(Text(f"row {number}", style="bold"))
        out.print(Padding(lines, (0, 0, 1, 2)))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict | bool):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return f"{value:.3f}" if MANY <= abs(value) < MOST_PLAIN else f"{value:.6g}"
    return str(value)


def _catalogue(rows: Sequence[Sequence[Any]]) -> None:
    """Every table and view with its columns, for somebody who does not know them yet."""
    by_table: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind, _ in rows:
        by_table.setdefault(table, []).append((column, kind.lower()))
    out = console()
    for table, columns in by_table.items():
        words = Text()
        for place, (column, kind) in enumerate(columns):
            words.append(", " if place else "").append(column).append(f" {kind}", style="dim")
        out.print(Text(table, style="bold"))
        out.print(Padding(words, (0, 0, 0, 2)))
    out.print(Text(f'\n{command_name()} sql "{EXAMPLE}"'), soft_wrap=True)
