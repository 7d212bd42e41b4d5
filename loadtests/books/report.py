"""How the result is shown: a table to read at a glance, then what is explained, what is not compared, and the verdict.

Read `command.py` next.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadtests.books.findings import Difference, Line, Reconciliation, Said
from loadtests.books.money import usd

MOST_IDS = 3
MOST_REQUESTS = 10
MOST_OF_ONE = 4
GOOD = {"exact": "balanced", "interval": "within"}
INDENTED = ("outcomes",)
SECTIONS = {
    "requests": 0,
    "outcomes": 0,
    "told": 0,
    "totals": 0,
    "calls": 1,
    "usage": 2,
    "interval": 2,
    "charges": 3,
    "jobs": 3,
    "runs": 3,
    "webhooks": 3,
}
FIELDS = {
    "cost_nano_usd": "cost",
    "billed_nano_usd": "bill",
    "most_nano_usd": "upper bound of the bill",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "charge_key": "key of the charge",
}


def document(found: Reconciliation, about: dict[str, Any]) -> dict[str, Any]:
    """The whole result as JSON has it; money in nano-USD."""
    return {
        "verdict": "balanced" if found.balanced else "differences",
        **about,
        "lines": [asdict(line) for line in found.sorted()],
        "differences": [asdict(difference) for difference in found.differences],
        "notes": list(found.notes),
    }


def show(found: Reconciliation, title: str, command: str, console: Console) -> None:
    """Print it; `command` is how a person calls us: `gauntlet`."""
    console.print(Text(title, style="bold"))
    for note in found.notes:
        console.print(Text(f"note: {note}", style="yellow"))
    compared = found.of_kind("exact", "interval", "difference")
    if compared:
        console.print(_table(compared))
    else:
        console.print("\nNothing of that time is in the books.\n")
    for title_of_kind, lines in (
        ("explained", found.of_kind("explained")),
        ("not compared", found.of_kind("not compared")),
    ):
        if lines:
            console.print(Text(title_of_kind, style="bold"))
            for line in lines:
                _counted(line, console)
            console.print()
    if found.differences:
        _differences(found.differences, command, console)
    console.print(_verdict(found))


def _table(lines: Sequence[Line]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("", overflow="fold")
    for book in ("client", "service", "provider's\nledger"):
        table.add_column(book, justify="right", no_wrap=True)
    table.add_column("")
    section = 0
    for line in lines:
        if SECTIONS[line.rule] != section:
            section = SECTIONS[line.rule]
            table.add_section()
        bound = "≤ " if line.rule == "interval" else ""
        table.add_row(
            Text(f"  {line.what}" if line.rule in INDENTED else line.what),
            _amount(line.client, line),
            bound + _amount(line.service, line),
            _amount(line.ledger, line),
            _word(line),
        )
    return table


def _word(line: Line) -> Text:
    if line.kind != "difference":
        return Text("adds up" if line.rule == "totals" else GOOD[line.kind], style="green")
    return Text("differs", style="bold red")


def _amount(amount: int | None, line: Line) -> str:
    if amount is None:
        return ""
    return usd(amount) if line.unit == "nano_usd" else f"{amount:,}"


def _counted(line: Line, console: Console) -> None:
    """A count with its words, and the first of its requests where they are listed."""
    counts = [count for count in (line.client, line.service, line.ledger) if count]
    console.print(Text(f"{max(counts, default=0):>7,}  {line.what}"))
    for request_id in line.ids[:MOST_IDS] if line.kind == "explained" else ():
        console.print(Text(f"         {request_id}", style="dim"))
    if line.kind == "explained" and len(line.ids) > MOST_IDS:
        console.print(Text(f"         … and {len(line.ids) - MOST_IDS:,} more; --json lists all", style="dim"))


def _differences(differences: Sequence[Difference], command: str, console: Console) -> None:
    """The first requests that differ, what differs, and the command that shows one."""
    by_request: dict[str | None, list[Difference]] = {}
    for difference in differences:
        by_request.setdefault(difference.request_id, []).append(difference)
    for request_id in list(by_request)[:MOST_REQUESTS]:
        found = by_request[request_id]
        console.print(Text(f"{command} trace {request_id}" if request_id else "of no known request", style="bold red"))
        for difference in found[:MOST_OF_ONE]:
            console.print(Text(f"  {_said(difference)}"))
        if len(found) > MOST_OF_ONE:
            console.print(Text(f"  … and {len(found) - MOST_OF_ONE} more of it; --json lists all", style="dim"))
    if len(by_request) > MOST_REQUESTS:
        console.print(Text(f"… and {len(by_request) - MOST_REQUESTS:,} more requests; --json lists all", style="dim"))
    console.print()


def _said(difference: Difference) -> str:
    where = "" if difference.target is None else f"{difference.target}, "
    where = where if difference.attempt is None else f"{difference.target}, attempt {difference.attempt}, "
    books = {"client": difference.client, "service": difference.service, "ledger": difference.ledger}
    said = ", ".join(f"{book} {_value(difference.what, value)}" for book, value in books.items() if value is not None)
    return f"{where}{FIELDS.get(difference.what, difference.what)}: {said}"


def _value(what: str, value: Said) -> str:
    return usd(value) if what.endswith("nano_usd") and isinstance(value, int) else str(value)


def _verdict(found: Reconciliation) -> Text:
    explained = sum(max(line.client or 0, line.service or 0, line.ledger or 0) for line in found.of_kind("explained"))
    if found.balanced:
        more = f"; {explained:,} {'is' if explained == 1 else 'are'} explained above" if explained else ""
        return Text(f"The books balance{more}.", style="bold green")
    requests = len({difference.request_id for difference in found.differences} - {None})
    counted = f"{len(found.differences):,} difference{'s' if len(found.differences) > 1 else ''}"
    return Text(
        f"The books do not balance: {counted} in {requests:,} request{'s' if requests > 1 else ''}.", style="bold red"
    )
