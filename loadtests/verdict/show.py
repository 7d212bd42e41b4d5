"""The verdict in a terminal: each expectation with its bound, what was measured, and why it must hold.

Read `report.py` next: the same as a page, with charts.
"""

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from loadtests.verdict.evidence import Generator
from loadtests.verdict.judge import Judged, Verdict

WORDS = {"pass": ("PASS", "bold green"), "fail": ("FAIL", "bold red"), "unknown": ("COULD NOT JUDGE", "bold yellow")}
BOOKS = {
    "balanced": ("the books balance: client, service and providers say the same", "green"),
    "differences": ("the books do not balance", "bold red"),
    "not judged": ("the books were not judged", "yellow"),
}


def show(verdict: Verdict, generator: Generator, console: Console) -> None:
    """Print it."""
    console.print(Group(_table(verdict), *_rest(verdict, generator)))


def _table(verdict: Verdict) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name, justify in (
        ("expected of", "left"),
        ("bound", "right"),
        ("measured", "right"),
        ("", "left"),
        ("why", "left"),
    ):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for one in verdict.judged:
        table.add_row(Text(one.about), one.bound, Text(one.said), _mark(one), Text(one.expected.why, style="dim"))
    return table


def _mark(one: Judged) -> Text:
    if one.passed is None:
        return Text("?", style="bold yellow")
    return Text("PASS", style="green") if one.passed else Text("FAIL", style="bold red")


def _rest(verdict: Verdict, generator: Generator) -> list[Text]:
    words, style = BOOKS[verdict.books]
    lines = [Text(f"{words}{f': {verdict.books_said}' if verdict.books_said else ''}", style=style)]
    lines.append(Text(generated(generator), style="dim"))
    word, style = WORDS[verdict.word]
    lines.append(Text(f"{word}{f': {verdict.reason}' if verdict.reason else ''}", style=style))
    return lines


def generated(generator: Generator) -> str:
    """What the load generator did, in a line."""
    missed = f", {generator.not_sent:,} not sent" if generator.not_sent else ""
    return (
        f"the load generator sent {generator.sent:,} requests{missed}, the latest {generator.latest_ms:,.0f} ms after "
        f"it was due, with {generator.busy:.0%} of a core"
        f"{f' (busiest of {generator.processes})' if generator.processes > 1 else ''}"
    )
